select '{{ var("prefix") }}' as p, {{ var("only") }} as o
