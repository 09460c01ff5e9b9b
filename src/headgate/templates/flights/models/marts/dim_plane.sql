-- Who operated each plane, and since when. A plane that changes hands gets a new version; the old one is closed.
{{ config(
    materialized='incremental',
    unique_key='tailnum',
    history={'type': 2, 'effective': 'operated_since', 'track': ['operator']}
) }}

with daily as (
    select tailnum, flight_date, arg_max(carrier, (scheduled_hour, carrier)) as operator
    from {{ ref('stg_flights') }}
    where tailnum is not null
    group by all
),

changes as (
    select tailnum, operator, flight_date as operated_since
    from daily
    qualify operator is distinct from lag(operator) over (partition by tailnum order by flight_date)
)

select changes.tailnum, changes.operator, changes.operated_since, planes.manufacturer, planes.model, planes.built_year, planes.seats
from changes
left join {{ ref('stg_planes') }} as planes using (tailnum)
