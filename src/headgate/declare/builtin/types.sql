{# Type names, as DuckDB spells them. #}
{% macro default__type_string() %}VARCHAR{% endmacro %}
{% macro default__type_int() %}INTEGER{% endmacro %}
{% macro default__type_bigint() %}BIGINT{% endmacro %}
{% macro default__type_float() %}DOUBLE{% endmacro %}
{% macro default__type_numeric() %}DECIMAL(28,6){% endmacro %}
{% macro default__type_boolean() %}BOOLEAN{% endmacro %}
{% macro default__type_timestamp() %}TIMESTAMP{% endmacro %}
