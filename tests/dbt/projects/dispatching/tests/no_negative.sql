select * from {{ ref('orders') }} where card_amount < 0
