{% macro in_unit(column) %}{{ return(adapter.dispatch('in_unit', 'tools')(column)) }}{% endmacro %}
{% macro default__in_unit(column) %}({{ column }} * {{ var('only_here', 1) }}){% endmacro %}
