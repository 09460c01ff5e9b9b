select 'spade' as tool, '{{ var("unit") }}' as unit, {{ var('only_here') }} as n union all select tool, 'x', 1 from {{ ref('spades') }}
