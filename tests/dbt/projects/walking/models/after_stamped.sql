select count(*) as n, max(stamp) as stamp from {{ ref('stamped_one') }}
