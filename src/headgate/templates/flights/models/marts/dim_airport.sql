-- Airports by code. Four destinations are missing from the source: fct_flight brings them in as inferred members until it has them.
select airport_code, airport_name, latitude, longitude, time_zone
from {{ ref('stg_airports') }}
