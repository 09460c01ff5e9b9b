select * from {{ ref('nothing_that_exists') }}
