-- How punctual each carrier was, month by month.
select
    date_trunc('month', flights.flight_date) as flight_month,
    flights.carrier,
    airlines.airline_name,
    count(*) as flights,
    count(*) filter (where flights.is_cancelled) as cancelled,
    round(100.0 * avg(case when flights.arrival_delay_minutes <= 15 then 1 else 0 end) filter (where not flights.is_cancelled), 1)
        as on_time_percent,
    round(avg(flights.departure_delay_minutes), 1) as mean_departure_delay_minutes
from {{ ref('fct_flight') }} as flights
left join {{ ref('stg_airlines') }} as airlines using (carrier)
group by all
