select * from {{ ref('versioned', 'dim', version=3) }}
