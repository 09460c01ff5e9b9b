select * from {{ ref('dim', v=1) }}
