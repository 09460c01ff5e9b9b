{# Which schema, name and database a node gets. #}
{% macro default__generate_schema_name(custom_schema_name=none, node=none) -%}
{%- if custom_schema_name is none -%}
{{ target.schema }}
{%- elif target.joins_schemas -%}
{{ target.schema }}_{{ custom_schema_name | trim }}
{%- else -%}
{{ target.schema_prefix }}{{ custom_schema_name | trim }}
{%- endif -%}
{%- endmacro %}
{% macro generate_schema_name_for_env(custom_schema_name, node) -%}
{{ custom_schema_name | trim if target.name == 'prod' and custom_schema_name is not none else target.schema }}
{%- endmacro %}
{% macro default__generate_alias_name(custom_alias_name=none, node=none) -%}
{%- if custom_alias_name -%}
{{ custom_alias_name | trim }}
{%- elif node.version -%}
{{ node.name ~ '_v' ~ (node.version | replace('.', '_')) }}
{%- else -%}
{{ node.name }}
{%- endif -%}
{%- endmacro %}
{% macro default__generate_database_name(custom_database_name=none, node=none) -%}
{{ target.database if custom_database_name is none else custom_database_name }}
{%- endmacro %}
