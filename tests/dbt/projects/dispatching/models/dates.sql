select {{ dbt.dateadd('day', 3, "cast('2024-02-27' as date)") }} as later, {{ dbt.datediff("cast('2024-01-01' as date)", "cast('2024-03-15' as date)", 'week') }} as weeks,
  {{ dbt.date_trunc('month', "cast('2024-02-27' as date)") }} as month, {{ dbt.last_day("cast('2024-02-10' as date)", 'month') }} as last,
  {{ dbt.concat(["'a'", "'b'"]) }} as ab, {{ dbt.hash("'x'") }} as hashed, {{ dbt.split_part("'a-b-c'", "'-'", 2) }} as part,
  {{ dbt.safe_cast("'12'", api.Column.translate_type('integer')) }} as twelve, {{ dbt.replace("'aba'", "'a'", "'c'") }} as replaced,
  {{ dbt.position("'b'", "'abc'") }} as at, {{ dbt.right("'hello'", 2) }} as rght, {{ dbt.length("'hello'") }} as len,
  {{ dbt.string_literal("it's") if false else dbt.string_literal('its') }} as lit, {{ dbt.escape_single_quotes("it's") | length }} as escaped
