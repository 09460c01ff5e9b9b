-- What rain and wind cost each route in minutes.
select
    origin,
    dest,
    count(*) as flights,
    round(avg(departure_delay_minutes) filter (where precipitation_inches > 0), 1) as mean_delay_in_rain_minutes,
    round(avg(departure_delay_minutes) filter (where precipitation_inches = 0), 1) as mean_delay_dry_minutes,
    round(avg(departure_delay_minutes) filter (where wind_speed_mph > 20), 1) as mean_delay_in_wind_minutes
from {{ ref('fct_flight') }}
group by all
