select {{ var('base') }} as base, '{{ var('suffix') }}' as suffix, {{ helper.label("'x'") }} as label
