{{ config(tags=['single'], severity='warn') }}
select * from {{ ref('beds') }} where plant = 'fern' and waterings > 100
