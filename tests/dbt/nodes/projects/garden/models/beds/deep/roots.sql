{{ config(materialized='incremental', unique_key='plant_id', meta={'team': {'name': 'dig'}}) }}
select plant_id, {{ tools.in_unit('waterings') }} as depth from {{ ref('beds') }}
{% if is_incremental() %} where plant_id > (select max(plant_id) from {{ this }}) {% endif %}
