{{ config(
    materialized='incremental',
    incremental_strategy='microbatch',
    unique_key='flight_id',
    event_time='flight_date',
    begin='2013-01-01',
    end='2014-01-01',
    batch_size='month',
    inferred_members={'dimension': 'dim_airport', 'key': {'dest': 'airport_code'}}
) }}

-- depends_on: {{ ref('dim_airport') }}
select * from {{ ref('int_flights_with_weather') }}
