select
    customer_id,
    count(*) as orders,
    sum(amount) filter (where status <> 'cancelled') as revenue,
    max(updated_at) as last_order_at
from {{ ref('stg_orders') }}
group by all
