{{ config(materialized='stamped', stamp='yes') }} select id from {{ ref('one') }}
