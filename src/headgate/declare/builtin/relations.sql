{# Making, renaming and dropping relations. In a materialisation these write to the run's staging area. #}
{% macro default__create_table_as(temporary, relation, compiled_code, language='sql') -%}
{%- set header = config.get('sql_header', none) -%}
{{ header if header is not none }}
create {{ 'temporary ' if temporary }}table {{ relation.include(database=(not temporary), schema=(not temporary)) }} as (
{{ compiled_code }}
);
{%- endmacro %}
{% macro default__get_create_table_as_sql(temporary, relation, sql) -%}
{{ return(create_table_as(temporary, relation, sql)) }}
{%- endmacro %}
{% macro default__create_view_as(relation, sql) -%}
{%- set header = config.get('sql_header', none) -%}
{{ header if header is not none }}
create view {{ relation }} as (
{{ sql }}
);
{%- endmacro %}
{% macro default__get_create_view_as_sql(relation, sql) -%}
{{ return(create_view_as(relation, sql)) }}
{%- endmacro %}
{% macro create_or_replace_view() -%}
{%- set target_relation = this.incorporate(type='view') -%}
{%- set existing = load_cached_relation(this) -%}
{{ run_hooks(pre_hooks) }}
{%- if existing is not none %}{% do adapter.drop_relation(existing) %}{% endif -%}
{%- call statement('main') %}{{ get_create_view_as_sql(target_relation, sql) }}{% endcall -%}
{{ run_hooks(post_hooks) }}
{{ return({'relations': [target_relation]}) }}
{%- endmacro %}
{% macro default__handle_existing_table(full_refresh, old_relation) %}{% do adapter.drop_relation(old_relation) %}{% endmacro %}
{% macro default__get_create_sql(relation, sql) -%}
{%- if relation.is_view -%}{{ get_create_view_as_sql(relation, sql) }}
{%- elif relation.is_table -%}{{ get_create_table_as_sql(False, relation, sql) }}
{%- else -%}{{ exceptions.raise_compiler_error('there is no create statement for a ' ~ relation.type) }}{%- endif -%}
{%- endmacro %}
{% macro default__get_create_intermediate_sql(relation, sql) -%}
{%- set between = make_intermediate_relation(relation) -%}
{{ get_drop_sql(between) }};
{{ get_create_sql(between, sql) }}
{%- endmacro %}
{% macro default__get_create_backup_sql(relation) -%}
{%- set backup = make_backup_relation(relation, relation.type) -%}
{{ get_drop_sql(backup) }};
{{ get_rename_sql(relation, backup.identifier) }}
{%- endmacro %}
{% macro default__get_rename_intermediate_sql(relation) -%}
{{ get_rename_sql(make_intermediate_relation(relation), relation.identifier) }}
{%- endmacro %}
{% macro default__get_drop_backup_sql(relation) -%}
{{ get_drop_sql(make_backup_relation(relation, relation.type)) }}
{%- endmacro %}
{% macro default__get_replace_sql(existing_relation, target_relation, sql) -%}
{{ get_drop_sql(existing_relation) }};
{{ get_create_sql(target_relation, sql) }}
{%- endmacro %}
{% macro default__get_replace_table_sql(relation, sql) %}create or replace table {{ relation }} as ({{ sql }}){% endmacro %}
{% macro default__get_replace_view_sql(relation, sql) %}create or replace view {{ relation }} as ({{ sql }}){% endmacro %}
{% macro default__drop_table(relation) %}drop table if exists {{ relation }} cascade{% endmacro %}
{% macro default__drop_view(relation) %}drop view if exists {{ relation }} cascade{% endmacro %}
{% macro default__get_drop_sql(relation) -%}
{%- if relation.is_view -%}{{ drop_view(relation) }}{%- else -%}{{ drop_table(relation) }}{%- endif -%}
{%- endmacro %}
{% macro default__drop_relation(relation) %}{% do adapter.drop_relation(relation) %}{% endmacro %}
{% macro drop_relation_if_exists(relation) %}{% if relation is not none %}{% do adapter.drop_relation(relation) %}{% endif %}{% endmacro %}
{% macro default__get_rename_table_sql(relation, new_name) %}alter table {{ relation }} rename to {{ adapter.quote(new_name) }}{% endmacro %}
{% macro default__get_rename_view_sql(relation, new_name) %}alter view {{ relation }} rename to {{ adapter.quote(new_name) }}{% endmacro %}
{% macro default__get_rename_sql(relation, new_name) -%}
{%- if relation.is_view -%}{{ get_rename_view_sql(relation, new_name) }}{%- else -%}{{ get_rename_table_sql(relation, new_name) }}{%- endif -%}
{%- endmacro %}
{% macro default__rename_relation(from_relation, to_relation) %}{% do adapter.rename_relation(from_relation, to_relation) %}{% endmacro %}
{% macro default__truncate_relation(relation) %}{% do adapter.truncate_relation(relation) %}{% endmacro %}
{% macro default__create_schema(relation) %}{% do adapter.create_schema(relation) %}{% endmacro %}
{% macro default__drop_schema(relation) %}{% do adapter.drop_schema(relation) %}{% endmacro %}
{% macro default__drop_schema_named(schema_name) %}{% do adapter.drop_schema(api.Relation.create(database=target.database, schema=schema_name)) %}{% endmacro %}
{% macro default__make_temp_relation(base_relation, suffix='__dbt_tmp') -%}
{{ return(base_relation.incorporate(path={'identifier': base_relation.identifier ~ suffix ~ py_current_timestring(), 'schema': none, 'database': none})) }}
{%- endmacro %}
{% macro default__make_intermediate_relation(base_relation, suffix='__dbt_tmp') -%}
{{ return(base_relation.incorporate(path={'identifier': base_relation.identifier ~ suffix})) }}
{%- endmacro %}
{% macro default__make_backup_relation(base_relation, backup_relation_type, suffix='__dbt_backup') -%}
{{ return(base_relation.incorporate(path={'identifier': base_relation.identifier ~ suffix}, type=backup_relation_type)) }}
{%- endmacro %}
{% macro default__get_or_create_relation(database, schema, identifier, type) -%}
{%- set found = adapter.get_relation(database=database, schema=schema, identifier=identifier) -%}
{{ return([true, found] if found else [false, api.Relation.create(database=database, schema=schema, identifier=identifier, type=type)]) }}
{%- endmacro %}
{% macro default__information_schema_name(database) %}{{ database ~ '.' if database }}information_schema{% endmacro %}
{% macro default__list_schemas(database) %}{{ return(adapter.list_schemas(database)) }}{% endmacro %}
{% macro default__check_schema_exists(information_schema, schema) %}{{ return(adapter.check_schema_exists(information_schema.database, schema)) }}{% endmacro %}
{% macro default__list_relations_without_caching(schema_relation) %}{{ return(adapter.list_relations_without_caching(schema_relation)) }}{% endmacro %}
{% macro default__get_limit_sql(sql, limit) %}{{ sql }}{{ '\nlimit ' ~ limit if limit is not none }}{% endmacro %}
{% macro get_limit_subquery_sql(sql, limit) %}{{ adapter.dispatch('get_limit_sql', 'dbt')(sql, limit) }}{% endmacro %}
{% macro get_show_sql(compiled_code, sql_header, limit) %}{{ sql_header if sql_header is not none }}
{{ get_limit_subquery_sql(compiled_code, limit) }}{% endmacro %}
{% macro default__validate_sql(sql) %}{% call statement('validate_sql') %}explain {{ sql }}{% endcall %}{{ return(load_result('validate_sql')) }}{% endmacro %}
