select plant_id, plant from {{ ref('beds') }}
