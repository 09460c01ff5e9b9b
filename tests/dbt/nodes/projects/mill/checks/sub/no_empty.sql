{{ config(error_if='>10', tags=['sub']) }}
select * from {{ ref('flour') }} where sack is null
