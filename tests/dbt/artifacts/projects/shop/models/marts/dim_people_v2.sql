{{ config(alias='people') }}
select distinct customer, 1 as n from {{ ref('stg_orders') }}
