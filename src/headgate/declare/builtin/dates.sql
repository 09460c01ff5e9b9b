{# Dates and series under dbt's names. #}
{% macro default__current_timestamp() %}now(){% endmacro %}
{% macro default__current_timestamp_backcompat() %}current_timestamp::timestamp{% endmacro %}
{% macro default__current_timestamp_in_utc_backcompat() %}{{ return(adapter.dispatch('current_timestamp_backcompat', 'dbt')()) }}{% endmacro %}
{% macro default__snapshot_get_time() %}{{ current_timestamp() }}::timestamp{% endmacro %}
{% macro default__snapshot_string_as_time(timestamp) %}{{ return("'" ~ timestamp ~ "'::timestamp") }}{% endmacro %}
{% macro get_snapshot_get_time_data_type() %}{{ return('timestamp') }}{% endmacro %}
{% macro default__date(year, month, day) %}make_date({{ year }}, {{ month }}, {{ day }}){% endmacro %}
{% macro default__date_trunc(datepart, date) %}date_trunc('{{ datepart }}', {{ date }}){% endmacro %}
{% macro default__dateadd(datepart, interval, from_date_or_timestamp) -%}
{%- set part = datepart | string | lower -%}
{%- set times, unit = {'quarter': (3, 'month'), 'week': (7, 'day')}.get(part, (1, part)) -%}
({{ from_date_or_timestamp }} + (cast({{ interval }} as bigint){{ ' * ' ~ times if times != 1 }}) * interval 1 {{ unit }})
{%- endmacro %}
{% macro default__datediff(first_date, second_date, datepart) -%}
{%- if datepart == 'week' -%}
({{ datediff(first_date, second_date, 'day') }} // 7 + case
when date_part('dow', ({{ first_date }})::timestamp) > date_part('dow', ({{ second_date }})::timestamp)
then case when {{ first_date }} <= {{ second_date }} then 1 else 0 end
else case when {{ first_date }} <= {{ second_date }} then 0 else -1 end end)
{%- else -%}
date_diff('{{ datepart }}', ({{ first_date }})::timestamp, ({{ second_date }})::timestamp)
{%- endif -%}
{%- endmacro %}
{% macro default_last_day(date, datepart) -%}
cast({{ dateadd('day', '-1', dateadd(datepart, '1', date_trunc(datepart, date))) }} as date)
{%- endmacro %}
{% macro default__last_day(date, datepart) %}{{ default_last_day(date, datepart) }}{% endmacro %}
{% macro default__get_intervals_between(start_date, end_date, datepart) -%}
{%- call statement('get_intervals_between', fetch_result=True) %}select {{ datediff(start_date, end_date, datepart) }}{% endcall -%}
{%- set found = load_result('get_intervals_between') -%}
{{ return(found.data[0][0] if found and found.data else none) }}
{%- endmacro %}
{% macro default__date_spine(datepart, start_date, end_date) -%}
select {{ dateadd(datepart, 'hg_step', start_date) }} as date_{{ datepart }}
from (select unnest(range(0, {{ datediff(start_date, end_date, datepart) }})) as hg_step) as hg_steps
where {{ dateadd(datepart, 'hg_step', start_date) }} <= {{ end_date }}
{%- endmacro %}
{% macro default__generate_series(upper_bound) -%}
select unnest(generate_series(1, {{ upper_bound }})) as generated_number
{%- endmacro %}
{% macro default__get_powers_of_two(upper_bound) -%}
{%- if upper_bound <= 0 -%}{{ exceptions.raise_compiler_error('upper bound must be positive') }}{%- endif -%}
{%- for power in range(1, 100) -%}{%- if upper_bound <= 2 ** power -%}{{ return(power) }}{%- endif -%}{%- endfor -%}
{%- endmacro %}
{% macro convert_datetime(date_str, date_fmt) -%}
{{ return(modules.datetime.datetime.strptime(date_str | string, date_fmt)) }}
{%- endmacro %}
{% macro dates_in_range(start_date_str, end_date_str=none, in_fmt='%Y%m%d', out_fmt='%Y%m%d') -%}
{%- set first = convert_datetime(start_date_str, in_fmt) -%}
{%- set last = convert_datetime(end_date_str, in_fmt) if end_date_str is not none else first -%}
{%- set found = [] -%}
{%- for step in range(0, (last - first).days + 1) -%}
{%- do found.append((first + modules.datetime.timedelta(days=step)).strftime(out_fmt)) -%}
{%- endfor -%}
{{ return(found) }}
{%- endmacro %}
{% macro partition_range(raw_partition_date, date_fmt='%Y%m%d') -%}
{%- set ends = (raw_partition_date | string).split(',') -%}
{%- if ends | length > 2 -%}{{ exceptions.raise_compiler_error("a partition is a date or two dates with a comma, not '" ~ raw_partition_date ~ "'") }}{%- endif -%}
{{ return(dates_in_range(ends[0], ends[-1] if ends | length == 2 else none, in_fmt=date_fmt)) }}
{%- endmacro %}
{% macro py_current_timestring() -%}
{{ return(modules.datetime.datetime.now().strftime('%H%M%S%f')) }}
{%- endmacro %}
