{{ config(tags=['wet'], my_own_key='kept') }}
select id, plant_id, litres, watered_at, '{{ config.get("my_own_key") }}' as own from {{ source('shed', 'waterings') }}
