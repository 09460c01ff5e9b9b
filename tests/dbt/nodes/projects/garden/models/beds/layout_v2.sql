select plant_id, plant, waterings from {{ ref('beds') }}
