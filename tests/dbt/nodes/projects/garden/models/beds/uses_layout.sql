select a.plant_id, b.plant from {{ ref('layout', v=1) }} a join {{ ref('layout') }} b using (plant_id)
join {{ ref('garden', 'layout', version=3) }} c using (plant_id)
