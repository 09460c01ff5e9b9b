with base as (select * from {{ ref('eph_base') }})
select id, order_id, method, dollars, paid_at from base where dollars is not null
