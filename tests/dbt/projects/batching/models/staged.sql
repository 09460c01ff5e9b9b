{{ config(materialized='view', event_time='happened_at') }} select id, cast(happened_at as timestamp) as happened_at, kind, amount from {{ ref('events') }}
