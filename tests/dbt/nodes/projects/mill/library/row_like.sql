{% test row_like(model, least) %}
select count(*) as n from {{ model }} having count(*) < {{ least }}
{% endtest %}
{% macro generate_schema_name(custom_schema_name, node) %}
  {%- if custom_schema_name is none -%}{{ target.schema }}{%- else -%}{{ custom_schema_name | trim }}_{{ node.resource_type }}{%- endif -%}
{% endmacro %}
