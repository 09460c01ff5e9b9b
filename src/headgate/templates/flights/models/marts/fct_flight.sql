{{ config(
    materialized='incremental',
    incremental_strategy='microbatch',
    unique_key='flight_id',
    event_time='flight_date',
    begin='2013-01-01',
    batch_size='month'
) }}

select * from {{ ref('int_flights_with_weather') }}
