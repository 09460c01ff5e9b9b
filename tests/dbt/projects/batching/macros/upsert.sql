{% macro get_incremental_upsert_sql(arg_dict) %}
  insert into {{ arg_dict['target_relation'] }} ({{ get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) }})
  select {{ get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) }} from {{ arg_dict['temp_relation'] }}
  where id not in (select id from {{ arg_dict['target_relation'] }})
{% endmacro %}
