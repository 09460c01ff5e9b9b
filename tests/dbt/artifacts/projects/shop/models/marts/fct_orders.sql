{{ config(materialized='incremental', unique_key='order_id', incremental_strategy='delete+insert', on_schema_change='fail', tags=['nightly'], pre_hook="select {{ cents(1) }}") }}

select o.order_id, o.customer, o.amount from {{ ref('stg_orders') }} as o
left join {{ ref('stg_people') }} as p on p.customer = o.customer
{% if is_incremental() %}
where o.order_id > (select max(order_id) from {{ this }})
{% endif %}
