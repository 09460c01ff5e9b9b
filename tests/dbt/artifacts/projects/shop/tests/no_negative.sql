{{ config(severity='error', tags=['nightly']) }}
select * from {{ ref('fct_orders') }} where amount < 0
