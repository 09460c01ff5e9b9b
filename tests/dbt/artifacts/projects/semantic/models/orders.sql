select 1 as order_id, 2 as customer_id, date '2024-01-01' as ordered_at, 3.0 as amount
