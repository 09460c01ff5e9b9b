{# The SQL of incremental strategies. The engine writes deltas its own way; these are used when the project has its own of any of them. #}
{% macro default__get_incremental_append_sql(arg_dict) %}{{ return(get_insert_into_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns'])) }}{% endmacro %}
{% macro default__get_incremental_delete_insert_sql(arg_dict) %}{{ return(get_delete_insert_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['unique_key'], arg_dict['dest_columns'], arg_dict['incremental_predicates'])) }}{% endmacro %}
{% macro default__get_incremental_merge_sql(arg_dict) %}{{ return(get_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['unique_key'], arg_dict['dest_columns'], arg_dict['incremental_predicates'])) }}{% endmacro %}
{% macro default__get_incremental_insert_overwrite_sql(arg_dict) %}{{ return(get_insert_overwrite_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns'], arg_dict['incremental_predicates'])) }}{% endmacro %}
{% macro default__get_incremental_default_sql(arg_dict) %}{{ return(get_incremental_delete_insert_sql(arg_dict) if arg_dict['unique_key'] else get_incremental_append_sql(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_microbatch_sql(arg_dict) -%}
{%- set within = config.require('event_time') ~ " >= '" ~ model.batch.event_time_start ~ "' and " ~ config.require('event_time') ~ " < '" ~ model.batch.event_time_end ~ "'" -%}
delete from {{ arg_dict['target_relation'] }} where {{ within }};
{{ get_insert_into_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns']) }} where {{ within }}
{%- endmacro %}
{% macro get_insert_into_sql(target_relation, temp_relation, dest_columns) -%}
{%- set columns = get_quoted_csv(dest_columns | map(attribute='name')) -%}
insert into {{ target_relation }} ({{ columns }}) select {{ columns }} from {{ temp_relation }}
{%- endmacro %}
{% macro normalize_incremental_predicates(incremental_predicates) -%}
{{ return([] if incremental_predicates is none else [incremental_predicates] if incremental_predicates is string else incremental_predicates | list) }}
{%- endmacro %}
{% macro default__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
{%- set keys = [unique_key] if unique_key is string else unique_key or [] -%}
{%- if keys -%}
delete from {{ target }} as DBT_INCREMENTAL_TARGET using {{ source }} as DBT_INCREMENTAL_SOURCE
where {% for key in keys %}DBT_INCREMENTAL_SOURCE.{{ key }} = DBT_INCREMENTAL_TARGET.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
{%- for predicate in normalize_incremental_predicates(incremental_predicates) %} and {{ predicate }}{% endfor %};
{%- endif %}
{{ get_insert_into_sql(target, source, dest_columns) }}
{%- endmacro %}
{% macro default__get_merge_unique_key_match(source_unique_key, target_unique_key) %}{{ return(equals(source_unique_key, target_unique_key) | trim) }}{% endmacro %}
{% macro default__get_merge_update_columns(merge_update_columns, merge_exclude_columns, dest_columns) -%}
{%- if merge_update_columns and merge_exclude_columns -%}
{{ exceptions.raise_compiler_error('merge_update_columns and merge_exclude_columns are both set') }}
{%- endif -%}
{%- set never = (merge_exclude_columns or []) | map('lower') | list -%}
{%- set chosen = [] -%}
{%- for column in dest_columns if column.name | lower not in never %}{% do chosen.append(column.quoted) %}{% endfor -%}
{{ return(merge_update_columns or chosen) }}
{%- endmacro %}
{% macro default__get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
{%- set on = normalize_incremental_predicates(incremental_predicates) -%}
{%- for key in ([unique_key] if unique_key is string else (unique_key or [])) -%}
{%- do on.append(get_merge_unique_key_match('DBT_INTERNAL_SOURCE.' ~ key, 'DBT_INTERNAL_DEST.' ~ key)) -%}
{%- endfor -%}
{%- set updated = get_merge_update_columns(config.get('merge_update_columns'), config.get('merge_exclude_columns'), dest_columns) -%}
{%- set columns = dest_columns | map(attribute='name') | list -%}
merge into {{ target }} as DBT_INTERNAL_DEST using {{ source }} as DBT_INTERNAL_SOURCE
on ({{ on | join(') and (') if unique_key else 'FALSE' }})
{%- if unique_key %}
when matched then update set {% for column in updated %}{{ column }} = DBT_INTERNAL_SOURCE.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
{%- endif %}
when not matched then insert ({{ get_quoted_csv(columns) }})
values ({% for column in columns %}DBT_INTERNAL_SOURCE.{{ adapter.quote(column) }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}
{% macro default__get_insert_overwrite_merge_sql(target, source, dest_columns, predicates=none, include_sql_header=false) -%}
delete from {{ target }}{{ ' where ' ~ (normalize_incremental_predicates(predicates) | join(' and ')) if predicates }};
{{ get_insert_into_sql(target, source, dest_columns) }}
{%- endmacro %}
