select id as order_id, customer, {{ outer_cents('amount') }} as amount
from {{ ref('raw_orders') }}
where id > {{ var('least') }}
