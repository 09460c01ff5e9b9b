{{ config(alias='hidden', schema='inner') }} select count(*) as n from {{ ref('dim', v=2) }}
