{# Hooks, descriptions, indexes and grants of a relation. #}
{% macro run_hooks(hooks, inside_transaction=True) -%}
{%- for hook in hooks if hook.get('transaction', True) == inside_transaction -%}
{%- set text = render(hook.get('sql')) | trim -%}
{%- if text %}{% call statement() %}{{ text }}{% endcall %}{% endif -%}
{%- endfor -%}
{%- endmacro %}
{% macro make_hook_config(sql, inside_transaction) %}{{ return(tojson({'sql': sql, 'transaction': inside_transaction})) }}{% endmacro %}
{% macro before_begin(sql) %}{{ make_hook_config(sql, inside_transaction=False) }}{% endmacro %}
{% macro in_transaction(sql) %}{{ make_hook_config(sql, inside_transaction=True) }}{% endmacro %}
{% macro after_commit(sql) %}{{ make_hook_config(sql, inside_transaction=False) }}{% endmacro %}
{% macro set_sql_header(config) %}{% do config.set('sql_header', caller()) %}{% endmacro %}
{% macro default__persist_docs(relation, model, for_relation=true, for_columns=true) -%}
{%- if for_relation and config.persist_relation_docs() and model.description %}{% do run_query(alter_relation_comment(relation, model.description)) %}{% endif -%}
{%- if for_columns and config.persist_column_docs() and model.columns %}{% do run_query(alter_column_comment(relation, model.columns)) %}{% endif -%}
{%- endmacro %}
{% macro duckdb_escape_comment(comment) %}{{ return("'" ~ (comment | string | replace("'", "''")) ~ "'") }}{% endmacro %}
{% macro default__alter_relation_comment(relation, relation_comment) %}comment on {{ relation.type or 'table' }} {{ relation }} is {{ duckdb_escape_comment(relation_comment) }}{% endmacro %}
{% macro default__alter_column_comment(relation, column_dict) -%}
{% for name, column in column_dict.items() %}comment on column {{ relation }}.{{ adapter.quote(name) }} is {{ duckdb_escape_comment(column.description) }};{% endfor %}
{%- endmacro %}
{% macro default__create_indexes(relation) -%}
{%- for index in config.get('indexes', []) or [] -%}
{%- set text = get_create_index_sql(relation, index) -%}
{%- if text %}{% do run_query(text) %}{% endif -%}
{%- endfor -%}
{%- endmacro %}
{% macro default__get_create_index_sql(relation, index_dict) %}{{ return(none) }}{% endmacro %}
{% macro default__get_drop_index_sql(relation, index_name) %}drop index if exists {{ relation.include(identifier=false) }}.{{ adapter.quote(index_name) }}{% endmacro %}
{% macro drop_indexes_on_relation(relation) %}{% endmacro %}
{% macro default__apply_grants(relation, grant_config, should_revoke=True) %}{% endmacro %}
{% macro should_revoke(existing_relation, full_refresh_mode=True) %}{{ return(existing_relation is not none and not full_refresh_mode) }}{% endmacro %}
{% macro default__copy_grants() %}{{ return(True) }}{% endmacro %}
{% macro default__support_multiple_grantees_per_dcl_statement() %}{{ return(True) }}{% endmacro %}
{% macro default__get_grant_sql(relation, privilege, grantees) %}grant {{ privilege }} on {{ relation }} to {{ grantees | join(', ') }}{% endmacro %}
{% macro default__get_revoke_sql(relation, privilege, grantees) %}revoke {{ privilege }} on {{ relation }} from {{ grantees | join(', ') }}{% endmacro %}
{% macro default__get_dcl_statement_list(relation, grant_config, get_dcl_macro) -%}
{%- set found = [] -%}
{%- for privilege, grantees in grant_config.items() if grantees %}{% do found.append(get_dcl_macro(relation, privilege, grantees)) %}{% endfor -%}
{{ return(found) }}
{%- endmacro %}
{% macro default__call_dcl_statements(dcl_statement_list) %}{% endmacro %}
{% macro default__collect_freshness(source, loaded_at_field, filter=none) -%}
{%- call statement('collect_freshness', fetch_result=True) %}select max({{ loaded_at_field }}) as max_loaded_at, {{ current_timestamp() }} as snapshotted_at from {{ source }}{{ ' where ' ~ filter if filter }}{% endcall -%}
{{ return(load_result('collect_freshness')) }}
{%- endmacro %}
{% macro default__collect_freshness_custom_sql(source, loaded_at_query) -%}
{%- call statement('collect_freshness_custom_sql', fetch_result=True) %}select ({{ loaded_at_query }}) as max_loaded_at, {{ current_timestamp() }} as snapshotted_at{% endcall -%}
{{ return(load_result('collect_freshness_custom_sql')) }}
{%- endmacro %}
