select id, upper(name) as name, country, 1 as extra from {{ ref('people') }}
