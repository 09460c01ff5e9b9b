{# The materialisations in dbt's shape. The engine builds these kinds its own way; one of these is used when the project has its own of a macro that it calls. #}
{% materialization view, default -%}
{%- set target_relation = this.incorporate(type='view') -%}
{%- set existing = load_cached_relation(this) -%}
{{ run_hooks(pre_hooks, inside_transaction=False) }}{{ run_hooks(pre_hooks) }}
{%- do drop_relation_if_exists(existing) -%}
{%- call statement('main') %}{{ get_create_view_as_sql(target_relation, sql) }}{% endcall -%}
{%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, True)) -%}
{%- do persist_docs(target_relation, model) -%}
{{ run_hooks(post_hooks) }}{{ run_hooks(post_hooks, inside_transaction=False) }}
{{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}
{% materialization table, default -%}
{%- set target_relation = this.incorporate(type='table') -%}
{%- set existing = load_cached_relation(this) -%}
{%- set between = make_intermediate_relation(target_relation) -%}
{{ run_hooks(pre_hooks, inside_transaction=False) }}{{ run_hooks(pre_hooks) }}
{%- call statement('main') %}{{ get_create_table_as_sql(False, between, sql) }}{% endcall -%}
{%- do drop_relation_if_exists(existing) -%}
{%- do adapter.rename_relation(between, target_relation) -%}
{%- do create_indexes(target_relation) -%}
{{ run_hooks(post_hooks) }}
{%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, True)) -%}
{%- do persist_docs(target_relation, model) -%}
{{ run_hooks(post_hooks, inside_transaction=False) }}
{{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}
{% materialization incremental, default -%}
{%- set target_relation = this.incorporate(type='table') -%}
{%- set existing = load_cached_relation(this) -%}
{%- set strategy = config.get('incremental_strategy') or 'default' -%}
{{ run_hooks(pre_hooks, inside_transaction=False) }}{{ run_hooks(pre_hooks) }}
{%- if existing is none or existing.is_view or should_full_refresh() -%}
{%- do drop_relation_if_exists(existing) -%}
{%- call statement('main') %}{{ get_create_table_as_sql(False, target_relation, sql) }}{% endcall -%}
{%- else -%}
{%- set rows = make_temp_relation(target_relation) -%}
{%- call statement('create_temp') %}{{ get_create_table_as_sql(True, rows, sql) }}{% endcall -%}
{%- do adapter.expand_target_column_types(from_relation=rows, to_relation=target_relation) -%}
{%- set changed = process_schema_changes(incremental_validate_on_schema_change(config.get('on_schema_change')), rows, existing) -%}
{%- set write = adapter.get_incremental_strategy_macro(context, strategy) -%}
{%- set said = {
  'target_relation': target_relation, 'temp_relation': rows, 'unique_key': config.get('unique_key'),
  'dest_columns': changed or adapter.get_columns_in_relation(existing),
  'incremental_predicates': config.get('predicates') or config.get('incremental_predicates'),
} -%}
{%- call statement('main') %}{{ write(said) }}{% endcall -%}
{%- endif -%}
{{ run_hooks(post_hooks) }}
{%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, False)) -%}
{%- do persist_docs(target_relation, model) -%}
{{ run_hooks(post_hooks, inside_transaction=False) }}
{{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}
{% materialization snapshot, default -%}
{%- set there, target_relation = get_or_create_relation(database=model.database, schema=model.schema, identifier=model.alias, type='table') -%}
{{ run_hooks(pre_hooks, inside_transaction=False) }}{{ run_hooks(pre_hooks) }}
{%- set strategy = strategy_dispatch(config.get('strategy'))(model, 'snapshotted_data', 'source_data', model['config'], there) -%}
{%- if not there -%}
{%- call statement('main') %}{{ create_table_as(False, target_relation, build_snapshot_table(strategy, sql)) }}{% endcall -%}
{%- else -%}
{%- do adapter.assert_valid_snapshot_target_given_strategy(target_relation, get_snapshot_table_column_names(), strategy) -%}
{%- set rows = build_snapshot_staging_table(strategy, sql, target_relation) -%}
{%- set own = ['dbt_change_type', 'dbt_unique_key'] -%}
{%- for key in strategy.unique_key if strategy.unique_key | is_list %}{% do own.append('dbt_unique_key_' ~ loop.index) %}{% endfor -%}
{%- do create_columns(target_relation, adapter.get_missing_columns(rows, target_relation) | rejectattr('name', 'in', own) | list) -%}
{%- set columns = [] -%}
{%- for column in adapter.get_columns_in_relation(rows) | rejectattr('name', 'in', own) %}{% do columns.append(column.quoted) %}{% endfor -%}
{%- call statement('main') %}{{ snapshot_merge_sql(target=target_relation, source=rows, insert_cols=columns) }}{% endcall -%}
{%- do post_snapshot(rows) -%}
{%- endif -%}
{%- do persist_docs(target_relation, model) -%}
{{ run_hooks(post_hooks) }}{{ run_hooks(post_hooks, inside_transaction=False) }}
{{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}
