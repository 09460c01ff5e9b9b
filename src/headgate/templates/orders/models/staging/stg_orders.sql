{{ config(
    materialized='incremental',
    unique_key='order_id',
    on_schema_change='sync_all_columns',
    incremental_strategy='merge'
) }}

select
    order_id,
    customer_id,
    status,
    amount,
    updated_at,
    current_timestamp as _dbt_loaded_at
from {{ source('raw', 'orders') }}
{% if is_incremental() %}
where updated_at >= (select max(updated_at) - interval '1 hour' from {{ this }})
{% endif %}
