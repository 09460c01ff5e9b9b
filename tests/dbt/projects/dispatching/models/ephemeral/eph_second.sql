with base as (select * from {{ ref('eph_base') }})
select id, order_id, method, dollars, at from base where dollars is not null
