-- Every airport that a flight names. Four destinations are missing from the source: they stand as inferred members until it brings them.
with used as (
    select origin as airport_code from {{ ref('stg_flights') }}
    union
    select dest from {{ ref('stg_flights') }}
)

select
    used.airport_code,
    airports.airport_name,
    airports.latitude,
    airports.longitude,
    airports.time_zone,
    airports.airport_code is null as is_inferred
from used
left join {{ ref('stg_airports') }} as airports using (airport_code)
