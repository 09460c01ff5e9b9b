{% macro to_money(column, digits=2) -%}
  {{ return(adapter.dispatch('to_money', 'tools')(column, digits)) }}
{%- endmacro %}

{% macro default__to_money(column, digits) -%}
  round({{ column }} / 100.0, {{ digits }})
{%- endmacro %}
