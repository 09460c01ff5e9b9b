select customer, sum(amount) from {{ ref('fct_orders') }} group by 1
