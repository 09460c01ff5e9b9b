select cast(plant_id as integer) as plant_id, cast(plant as varchar) as plant from {{ ref('secret_bed') }} join {{ ref('stg_plants') }} using (plant_id)
