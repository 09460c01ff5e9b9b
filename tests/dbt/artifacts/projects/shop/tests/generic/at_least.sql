{% test at_least(model, column_name, least) %}
select * from {{ model }} where {{ column_name }} < {{ least }}
{% endtest %}

{% test adds_up(model, column_name, total) %}
{% set missing %}
    coalesce(max(missing), 0)
{% endset %}
{{ config(fail_calc=missing) }}
select abs({{ total }} - sum({{ column_name }})) as missing from {{ model }} having missing > 0
{% endtest %}
