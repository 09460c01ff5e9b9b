{{ config(incremental_strategy='upsert') }} select id, kind from {{ ref('staged') }}
