{# Casts, comparisons, sets, aggregates and lists under dbt's names. #}
{% macro default__cast(field, type) %}cast({{ field }} as {{ type }}){% endmacro %}
{% macro default__safe_cast(field, type) %}try_cast({{ field }} as {{ type }}){% endmacro %}
{% macro default__equals(expr1, expr2) %}({{ expr1 }} = {{ expr2 }}){% endmacro %}
{% macro default__except() %}except{% endmacro %}
{% macro default__intersect() %}intersect{% endmacro %}
{% macro default__any_value(expression) %}any_value({{ expression }}){% endmacro %}
{% macro default__bool_or(expression) %}bool_or({{ expression }}){% endmacro %}
{% macro default__array_construct(inputs=[], data_type='integer') %}[{{ inputs | join(', ') }}]{{ '::' ~ data_type ~ '[]' if not inputs }}{% endmacro %}
{% macro default__array_append(array, new_element) %}list_append({{ array }}, {{ new_element }}){% endmacro %}
{% macro default__array_concat(array_1, array_2) %}list_concat({{ array_1 }}, {{ array_2 }}){% endmacro %}
{% macro default__get_true_sql() %}{{ return('TRUE') }}{% endmacro %}
{% macro is_core_v2() %}{{ return(false) }}{% endmacro %}
