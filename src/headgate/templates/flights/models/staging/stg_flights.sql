select
    make_date(year, month, day) || '-' || carrier || '-' || flight || '-' || origin as flight_id,
    make_date(year, month, day) as flight_date,
    time_hour as scheduled_hour,
    carrier,
    flight as flight_number,
    tailnum,
    origin,
    dest,
    dep_time is null as is_cancelled,
    dep_delay as departure_delay_minutes,
    arr_delay as arrival_delay_minutes,
    air_time as air_time_minutes,
    distance as distance_miles,
    _loaded_at
from {{ source('nyc', 'flights') }}
