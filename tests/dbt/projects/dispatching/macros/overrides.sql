{% macro default__label(x) %}lower({{ x }} || 'ABC'){% endmacro %}
{% macro money(column, places=2) -%}
  round({{ column }} / {{ var('cents') }}.0, {{ places }})
{%- endmacro %}
{% macro columns_of(relation) %}{{ return(adapter.get_columns_in_relation(relation) | map(attribute='name') | list) }}{% endmacro %}
{% macro wrapped() %}({{ caller() }}){% endmacro %}
{% macro many() %}{{ return([varargs | length, kwargs.get('k')]) }}{% endmacro %}
