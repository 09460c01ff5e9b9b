select
    origin,
    time_hour as observed_hour,
    temp as temperature_f,
    wind_speed as wind_speed_mph,
    precip as precipitation_inches,
    visib as visibility_miles
from {{ source('nyc', 'weather') }}
qualify row_number() over (partition by origin, time_hour order by _loaded_at desc, _position desc) = 1
