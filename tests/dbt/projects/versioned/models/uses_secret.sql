{{ config(group='people') }} select n from {{ ref('secret') }}
