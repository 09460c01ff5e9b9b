{# Columns of relations and queries. #}
{% macro default__get_columns_in_relation(relation) %}{{ return(adapter.get_columns_in_relation(relation)) }}{% endmacro %}
{% macro sql_convert_columns_in_relation(table) -%}
{%- set columns = [] -%}
{%- for row in table %}{% do columns.append(api.Column(*row)) %}{% endfor -%}
{{ return(columns) }}
{%- endmacro %}
{% macro get_list_of_column_names(columns) %}{{ return(columns | map(attribute='name') | list) }}{% endmacro %}
{% macro default__get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
{{ select_sql_header if select_sql_header is not none }}
select * from (
{{ select_sql }}
) as __dbt_sbq where false limit 0
{%- endmacro %}
{% macro default__get_empty_schema_sql(columns) -%}
select {% for name, column in columns.items() %}{{ cast('null', column['data_type']) }} as {{ adapter.quote(column['name']) if column.get('quote') else column['name'] }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}
{% macro get_column_schema_from_query(select_sql, select_sql_header=none) %}{{ return(adapter.get_column_schema_from_query(get_empty_subquery_sql(select_sql))) }}{% endmacro %}
{% macro default__get_columns_in_query(select_sql) %}{{ return(get_column_schema_from_query(select_sql) | map(attribute='name') | list) }}{% endmacro %}
{% macro default__alter_column_type(relation, column_name, new_column_type) -%}
{% do run_query('alter table ' ~ relation ~ ' alter column ' ~ adapter.quote(column_name) ~ ' set data type ' ~ new_column_type) %}
{%- endmacro %}
{% macro default__alter_relation_add_remove_columns(relation, add_columns=none, remove_columns=none) -%}
{%- for column in add_columns or [] %}{% do run_query('alter table ' ~ relation ~ ' add column ' ~ column.quoted ~ ' ' ~ column.data_type) %}{% endfor -%}
{%- for column in remove_columns or [] %}{% do run_query('alter table ' ~ relation ~ ' drop column ' ~ column.quoted) %}{% endfor -%}
{%- endmacro %}
{% macro get_column_names() -%}
({% for name, column in model['columns'].items() %}{{ adapter.quote(column['name']) if column.get('quote') else column['name'] }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}
{% macro default__get_column_names() -%}
{% for name, column in model['columns'].items() %}{{ adapter.quote(column['name']) if column.get('quote') else column['name'] }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}
{% macro default__get_select_subquery(sql) %}select {{ adapter.dispatch('get_column_names', 'dbt')() }} from ({{ sql }}) as model_subq{% endmacro %}
{% macro get_quoted_csv(column_names) -%}
{%- set quoted = [] -%}
{%- for name in column_names %}{% do quoted.append(adapter.quote(name)) %}{% endfor -%}
{{ return(quoted | join(', ')) }}
{%- endmacro %}
{% macro diff_columns(source_columns, target_columns) -%}
{%- set there = target_columns | map(attribute='column') | list -%}
{%- set left = [] -%}
{%- for column in source_columns if column.column not in there %}{% do left.append(column) %}{% endfor -%}
{{ return(left) }}
{%- endmacro %}
{% macro default__diff_column_data_types(source_columns, target_columns) -%}
{%- set differing = [] -%}
{%- for new in source_columns -%}
{%- for old in target_columns if old.name == new.name and old.data_type != new.data_type -%}
{%- do differing.append({'column_name': old.name, 'new_type': new.data_type}) -%}
{%- endfor -%}
{%- endfor -%}
{{ return(differing) }}
{%- endmacro %}
{% macro incremental_validate_on_schema_change(on_schema_change, default='ignore') -%}
{{ return(on_schema_change if on_schema_change in ('ignore', 'fail', 'append_new_columns', 'sync_all_columns') else default) }}
{%- endmacro %}
{% macro default__check_for_schema_changes(source_relation, target_relation) -%}
{%- set new = adapter.get_columns_in_relation(source_relation) -%}
{%- set old = adapter.get_columns_in_relation(target_relation) -%}
{%- set added, gone, types = diff_columns(new, old), diff_columns(old, new), diff_column_data_types(new, old) -%}
{{ return({
  'schema_changed': (added or gone or types) | as_bool, 'source_not_in_target': added, 'target_not_in_source': gone,
  'source_columns': new, 'target_columns': old, 'new_target_types': types,
}) }}
{%- endmacro %}
{% macro default__sync_column_schemas(on_schema_change, target_relation, schema_changes_dict) -%}
{%- set gone = schema_changes_dict['target_not_in_source'] if on_schema_change == 'sync_all_columns' else [] -%}
{%- do alter_relation_add_remove_columns(target_relation, schema_changes_dict['source_not_in_target'], gone) -%}
{%- if on_schema_change == 'sync_all_columns' -%}
{%- for change in schema_changes_dict['new_target_types'] %}{% do alter_column_type(target_relation, change['column_name'], change['new_type']) %}{% endfor -%}
{%- endif -%}
{%- endmacro %}
{% macro default__process_schema_changes(on_schema_change, source_relation, target_relation) -%}
{%- if on_schema_change == 'ignore' %}{{ return({}) }}{% endif -%}
{%- set changes = check_for_schema_changes(source_relation, target_relation) -%}
{%- if changes['schema_changed'] -%}
{%- if on_schema_change == 'fail' -%}{{ exceptions.raise_compiler_error('the columns of ' ~ target_relation ~ ' and of its new rows differ, and on_schema_change is fail') }}{%- endif -%}
{%- do sync_column_schemas(on_schema_change, target_relation, changes) -%}
{%- endif -%}
{{ return(changes['source_columns']) }}
{%- endmacro %}
