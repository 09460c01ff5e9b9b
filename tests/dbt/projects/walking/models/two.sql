{{ config(tags=['walk'], schema='other') }} select 3 as id
