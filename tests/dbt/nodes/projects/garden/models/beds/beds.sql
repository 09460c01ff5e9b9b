select p.plant_id, p.plant, coalesce(h.waterings, 0) as waterings
from {{ ref('stg_plants') }} p left join {{ ref('stg_helper') }} h using (plant_id)
