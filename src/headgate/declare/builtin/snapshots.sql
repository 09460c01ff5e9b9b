{# Snapshots as SQL. The engine keeps histories its own way; these are used when the project has its own of any of them. #}
{% macro get_snapshot_table_column_names() -%}
{%- set given = config.get('snapshot_meta_column_names') or {} -%}
{%- set names = {} -%}
{%- for name in ('dbt_scd_id', 'dbt_updated_at', 'dbt_valid_from', 'dbt_valid_to', 'dbt_is_deleted') %}{% do names.update({name: given.get(name) or name}) %}{% endfor -%}
{{ return(names) }}
{%- endmacro %}
{% macro strategy_dispatch(name) -%}
{%- set package, dot, short = name.rpartition('.') if '.' in name else ('', '', name) -%}
{%- set found = (context[package] if package else context).get('snapshot_' ~ short ~ '_strategy') -%}
{%- if not found %}{{ exceptions.raise_compiler_error("there is no macro 'snapshot_" ~ short ~ "_strategy' for snapshot strategy '" ~ name ~ "'") }}{% endif -%}
{{ return(found) }}
{%- endmacro %}
{% macro default__snapshot_hash_arguments(args) -%}
md5({% for arg in args %}coalesce(cast({{ arg }} as varchar), ''){{ " || '|' || " if not loop.last }}{% endfor %})
{%- endmacro %}
{% macro _snapshot_strategy(updated_at, row_changed) -%}
{%- set gone = adapter.get_hard_deletes_behavior(config) -%}
{%- set key = config.get('unique_key') -%}
{{ return({
  'unique_key': key, 'updated_at': updated_at, 'row_changed': row_changed, 'hard_deletes': gone,
  'invalidate_hard_deletes': gone == 'invalidate', 'scd_id': snapshot_hash_arguments(api.Relation.scd_args(key, updated_at)),
}) }}
{%- endmacro %}
{% macro snapshot_timestamp_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) -%}
{%- set updated_at = config.require('updated_at') -%}
{%- set changed = '(' ~ snapshotted_rel ~ '.' ~ get_snapshot_table_column_names().dbt_valid_from ~ ' < ' ~ current_rel ~ '.' ~ updated_at ~ ')' -%}
{{ return(_snapshot_strategy(updated_at, changed)) }}
{%- endmacro %}
{% macro snapshot_check_all_get_existing_columns(node, target_exists, check_cols_config) -%}
{%- if not target_exists %}{{ return((false, none)) }}{% endif -%}
{%- set wanted = get_columns_in_query(sql) if check_cols_config == 'all' or check_cols_config == ['all'] else check_cols_config -%}
{%- set there = adapter.get_columns_in_relation(this) | map(attribute='name') | map('lower') | list -%}
{%- set both = [] -%}
{%- for column in wanted if column | lower in there %}{% do both.append(adapter.quote(column)) %}{% endfor -%}
{{ return(((wanted | length) > (both | length), both)) }}
{%- endmacro %}
{% macro snapshot_check_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) -%}
{%- set added, columns = snapshot_check_all_get_existing_columns(node, target_exists, config.get('check_cols')) -%}
{%- set parts = [] -%}
{%- for column in columns or [] %}{% do parts.append(snapshotted_rel ~ '.' ~ column ~ ' is distinct from ' ~ current_rel ~ '.' ~ column) %}{% endfor -%}
{{ return(_snapshot_strategy(config.get('updated_at') or snapshot_get_time(), '(' ~ (get_true_sql() if added else parts | join(' or ') or 'false') ~ ')')) }}
{%- endmacro %}
{% macro unique_key_fields(unique_key) -%}
{%- if unique_key | is_list -%}
{%- for key in unique_key %}{{ key }} as dbt_unique_key_{{ loop.index }}{{ ', ' if not loop.last }}{% endfor -%}
{%- else %}{{ unique_key }} as dbt_unique_key{% endif -%}
{%- endmacro %}
{% macro unique_key_join_on(unique_key, identifier, from_identifier) -%}
{%- if unique_key | is_list -%}
{%- for key in unique_key %}{{ equals(identifier ~ '.dbt_unique_key_' ~ loop.index, from_identifier ~ '.dbt_unique_key_' ~ loop.index) }}{{ ' and ' if not loop.last }}{% endfor -%}
{%- else %}{{ equals(identifier ~ '.dbt_unique_key', from_identifier ~ '.dbt_unique_key') }}{% endif -%}
{%- endmacro %}
{% macro unique_key_is_null(unique_key, identifier) %}{{ identifier }}.dbt_unique_key{{ '_1' if unique_key | is_list }} is null{% endmacro %}
{% macro unique_key_is_not_null(unique_key, identifier) %}{{ identifier }}.dbt_unique_key{{ '_1' if unique_key | is_list }} is not null{% endmacro %}
{% macro get_dbt_valid_to_current(strategy, columns) -%}
coalesce(nullif({{ strategy.updated_at }}, {{ strategy.updated_at }}), {{ config.get('dbt_valid_to_current') or 'null' }}) as {{ columns.dbt_valid_to }}
{%- endmacro %}
{% macro default__build_snapshot_table(strategy, sql) -%}
{%- set columns = get_snapshot_table_column_names() -%}
select *, {{ strategy.scd_id }} as {{ columns.dbt_scd_id }}, {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
{{ strategy.updated_at }} as {{ columns.dbt_valid_from }}, {{ get_dbt_valid_to_current(strategy, columns) }}
{{- ", 'False' as " ~ columns.dbt_is_deleted if strategy.hard_deletes == 'new_record' }}
from ({{ sql }}) sbq
{%- endmacro %}
{% macro default__snapshot_staging_table(strategy, source_sql, target_relation) -%}
{%- set columns = get_snapshot_table_column_names() -%}
{%- set key, marks = strategy.unique_key, strategy.hard_deletes == 'new_record' -%}
{%- set end, now = config.get('dbt_valid_to_current'), snapshot_get_time() -%}
{%- set back = ' or snapshotted_data.' ~ columns.dbt_is_deleted ~ " = 'True'" if marks else '' -%}
with snapshot_query as (
{{ source_sql }}
), snapshotted_data as (
select *, {{ unique_key_fields(key) }} from {{ target_relation }}
where {{ columns.dbt_valid_to }} is null{{ ' or ' ~ columns.dbt_valid_to ~ ' = ' ~ end if end }}
), opening as (
select *, {{ unique_key_fields(key) }}, {{ strategy.updated_at }} as {{ columns.dbt_updated_at }}, {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
{{ get_dbt_valid_to_current(strategy, columns) }}, {{ strategy.scd_id }} as {{ columns.dbt_scd_id }} from snapshot_query
), closing as (
select *, {{ unique_key_fields(key) }}, {{ strategy.updated_at }} as {{ columns.dbt_updated_at }}, {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
{{ strategy.updated_at }} as {{ columns.dbt_valid_to }} from snapshot_query
)
select 'insert' as dbt_change_type, source_data.*{{ ", 'False' as " ~ columns.dbt_is_deleted if marks }}
from opening as source_data left join snapshotted_data on {{ unique_key_join_on(key, 'snapshotted_data', 'source_data') }}
where {{ unique_key_is_null(key, 'snapshotted_data') }} or ({{ unique_key_is_not_null(key, 'snapshotted_data') }} and ({{ strategy.row_changed }}{{ back }}))
union all by name
select 'update' as dbt_change_type, source_data.*, snapshotted_data.{{ columns.dbt_scd_id }}{{ ', snapshotted_data.' ~ columns.dbt_is_deleted if marks }}
from closing as source_data join snapshotted_data on {{ unique_key_join_on(key, 'snapshotted_data', 'source_data') }}
where {{ strategy.row_changed }}{{ back }}
{%- if strategy.hard_deletes in ('invalidate', 'new_record') %}
union all by name
select 'delete' as dbt_change_type, {{ now }} as {{ columns.dbt_valid_to }}, snapshotted_data.{{ columns.dbt_scd_id }}
from snapshotted_data left join closing as source_data on {{ unique_key_join_on(key, 'snapshotted_data', 'source_data') }}
where {{ unique_key_is_null(key, 'source_data') }}{{ ' and snapshotted_data.' ~ columns.dbt_is_deleted ~ " <> 'True'" if marks }}
{%- endif %}
{%- if marks %}
union all by name
select 'insert' as dbt_change_type, snapshotted_data.* replace (
{{ now }} as {{ columns.dbt_valid_from }}, {{ now }} as {{ columns.dbt_updated_at }}, 'True' as {{ columns.dbt_is_deleted }},
{{ snapshot_hash_arguments(['snapshotted_data.' ~ columns.dbt_scd_id, now]) }} as {{ columns.dbt_scd_id }})
from snapshotted_data left join closing as source_data on {{ unique_key_join_on(key, 'snapshotted_data', 'source_data') }}
where {{ unique_key_is_null(key, 'source_data') }} and snapshotted_data.{{ columns.dbt_is_deleted }} <> 'True'
{%- endif %}
{%- endmacro %}
{% macro build_snapshot_staging_table(strategy, sql, target_relation) -%}
{%- set staging = make_temp_relation(target_relation) -%}
{%- set select = snapshot_staging_table(strategy, sql, target_relation) -%}
{%- call statement('build_snapshot_staging_relation') %}{{ create_table_as(True, staging, select) }}{% endcall -%}
{{ return(staging) }}
{%- endmacro %}
{% macro default__create_columns(relation, columns) -%}
{%- for column in columns %}{% do run_query('alter table ' ~ relation ~ ' add column ' ~ column.quoted ~ ' ' ~ column.data_type) %}{% endfor -%}
{%- endmacro %}
{% macro default__post_snapshot(staging_relation) %}{% endmacro %}
{% macro default__snapshot_merge_sql(target, source, insert_cols) -%}
{%- set columns = get_snapshot_table_column_names() -%}
{%- set end = config.get('dbt_valid_to_current') -%}
{%- set listed = insert_cols | join(', ') -%}
update {{ target }} as DBT_INTERNAL_TARGET set {{ columns.dbt_valid_to }} = DBT_INTERNAL_SOURCE.{{ columns.dbt_valid_to }}
from {{ source }} as DBT_INTERNAL_SOURCE
where DBT_INTERNAL_SOURCE.{{ columns.dbt_scd_id }} = DBT_INTERNAL_TARGET.{{ columns.dbt_scd_id }}
and DBT_INTERNAL_SOURCE.dbt_change_type in ('update', 'delete')
and (DBT_INTERNAL_TARGET.{{ columns.dbt_valid_to }} is null{{ ' or DBT_INTERNAL_TARGET.' ~ columns.dbt_valid_to ~ ' = ' ~ end if end }});
insert into {{ target }} ({{ listed }}) select {{ listed }} from {{ source }} as DBT_INTERNAL_SOURCE where DBT_INTERNAL_SOURCE.dbt_change_type = 'insert';
{%- endmacro %}
{% macro check_time_data_types(sql) %}{% endmacro %}
{% macro get_updated_at_column_data_type(snapshot_sql) -%}
{%- for column in get_column_schema_from_query(snapshot_sql) if column.column | lower == 'dbt_updated_at' %}{{ return(column.dtype) }}{% endfor -%}
{{ return(none) }}
{%- endmacro %}
