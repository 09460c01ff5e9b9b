select id as plant_id, lower(name) as plant, height, planted_on from {{ source('shed', 'plants') }}
