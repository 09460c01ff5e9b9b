{% macro tagged(tag) %}
  {% set found = [] %}
  {% if execute %}{% for node in graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') %}{% if tag in node.tags %}{% do found.append(node.name) %}{% endif %}{% endfor %}{% endif %}
  {{ return(found | sort) }}
{% endmacro %}
{% macro union_of(names) %}{% for name in names %}select '{{ name }}' as name, count(*) as n from {{ ref(name) }}{% if not loop.last %} union all {% endif %}{% endfor %}{% endmacro %}
{% macro numbers(n) %}{% set ns = namespace(total=0) %}{% for i in range(n) %}{% if i == 3 %}{% continue %}{% endif %}{% if i > 5 %}{% break %}{% endif %}{% set ns.total = ns.total + i %}{% endfor %}{{ return(ns.total) }}{% endmacro %}
{% macro generate_schema_name(custom_schema_name, node) %}{% if custom_schema_name %}{{ custom_schema_name | trim }}{% else %}{{ target.schema }}{% endif %}{% endmacro %}
{% macro generate_alias_name(custom_alias_name, node) %}{{ custom_alias_name or node.name ~ '_t' }}{% endmacro %}
