{% macro cents(column) %}{{ tools.to_money(column) }}{% endmacro %}

{% macro outer_cents(column) %}{{ cents(column) }}{% endmacro %}
