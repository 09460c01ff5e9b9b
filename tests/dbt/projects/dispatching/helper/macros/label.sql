{% macro label(x) %}{{ return(adapter.dispatch('label', 'helper')(x)) }}{% endmacro %}
{% macro default__label(x) %}upper({{ x }}){% endmacro %}
{% macro scale(x) %}{{ adapter.dispatch('scale', 'helper')(x) }}{% endmacro %}
{% macro default__scale(x) %}({{ x }} * 1){% endmacro %}
{% macro duckdb__scale(x) %}({{ x }} * 2){% endmacro %}
