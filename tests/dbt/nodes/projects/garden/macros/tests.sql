{% test tall_enough(model, column_name, least=1) %}
select * from {{ model }} where {{ column_name }} < {{ least }}
{% endtest %}
{% macro season_name() %}{{ return(var('season')) }}{% endmacro %}
