-- A flight of a month that the fact holds must be in the fact.
select staged.flight_id
from {{ ref('stg_flights') }} as staged
where staged.flight_date <= (select max(flight_date) from {{ ref('fct_flight') }})
    and staged.flight_id not in (select flight_id from {{ ref('fct_flight') }})
