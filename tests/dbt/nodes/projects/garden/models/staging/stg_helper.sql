{{ config(materialized='ephemeral') }}
select plant_id, count(*) as waterings from {{ ref('stg_waterings') }} group by 1
