select sack, kilo, '{{ var("day") }}' as day from {{ ref('sacks') }}
