select plant_id, waterings from {{ ref('beds') }}
