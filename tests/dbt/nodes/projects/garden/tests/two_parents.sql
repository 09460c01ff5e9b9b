select a.* from {{ ref('beds') }} a join {{ ref('stg_plants') }} b using (plant_id) where a.plant <> b.plant
