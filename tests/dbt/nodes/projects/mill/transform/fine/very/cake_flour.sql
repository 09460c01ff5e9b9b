{{ config(meta={'note': 'soft'}, enabled=var('stones', 0) > 2) }}
select f.sack from {{ ref('flour') }} f join {{ ref('grain', 'wheat') }} w on true
