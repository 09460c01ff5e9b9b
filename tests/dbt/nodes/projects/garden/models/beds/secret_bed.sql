select plant_id from {{ ref('beds') }}
