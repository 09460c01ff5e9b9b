{# Dates and series under dbt's names. #}
{% macro default__current_timestamp() %}current_timestamp{% endmacro %}
{% macro default__current_timestamp_backcompat() %}current_timestamp{% endmacro %}
{% macro default__current_timestamp_in_utc_backcompat() %}current_timestamp{% endmacro %}
{% macro default__date(year, month, day) %}make_date({{ year }}, {{ month }}, {{ day }}){% endmacro %}
{% macro default__date_trunc(datepart, date) %}date_trunc('{{ datepart }}', {{ date }}){% endmacro %}
{% macro default__dateadd(datepart, interval, from_date_or_timestamp) %}date_add({{ from_date_or_timestamp }}, to_{{ datepart | lower }}s(cast({{ interval }} as {{ 'DOUBLE' if datepart | lower in ('second', 'millisecond') else 'BIGINT' if datepart | lower in ('hour', 'minute', 'microsecond') else 'INTEGER' }}))){% endmacro %}
{% macro default__datediff(first_date, second_date, datepart) %}date_diff('{{ datepart }}', cast({{ first_date }} as TIMESTAMP), cast({{ second_date }} as TIMESTAMP)){% endmacro %}
{% macro default__last_day(date, datepart) -%}
{%- if datepart | lower == 'month' -%}
last_day({{ date }})
{%- else -%}
cast(date_add(date_trunc('{{ datepart }}', {{ date }}), interval 1 {{ datepart }}) - interval 1 day as DATE)
{%- endif -%}
{%- endmacro %}
{% macro default__date_spine(datepart, start_date, end_date) -%}
select unnest(generate_series(cast({{ start_date }} as TIMESTAMP), cast({{ end_date }} as TIMESTAMP) - interval 1 {{ datepart }}, interval 1 {{ datepart }})) as date_{{ datepart }}
{%- endmacro %}
{% macro default__generate_series(upper_bound) -%}
select unnest(generate_series(1, {{ upper_bound }})) as generated_number
{%- endmacro %}
{% macro default__get_powers_of_two(upper_bound) %}{{ return(64) }}{% endmacro %}
