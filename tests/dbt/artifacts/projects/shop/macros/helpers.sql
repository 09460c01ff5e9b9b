{% macro cents(column) %}{{ tools.to_money(column) }}{% endmacro %}

{% macro outer_cents(column) %}{{ cents(column) }}{% endmacro %}

{# What blanks belong to which macro is decided by the dashes. #}
{%- macro trimmed(columns) -%}
  {%- for column in columns -%}
    {{ "trim(cents(" ~ column ~ "))" }}{# cents(column) is no call here #}{{ "," if columns | length() > 1 }}
  {%- endfor -%}
{%- endmacro -%}

{%- macro untouched() %}{{ dbt.type_string() }}{% endmacro %}
