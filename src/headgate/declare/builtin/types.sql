{% macro default__type_string() %}VARCHAR{% endmacro %}
