select * from {{ ref('beds') }} where plant_id > {{ var('threshold') }}
