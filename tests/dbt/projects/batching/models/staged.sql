{{ config(materialized='view', event_time='at') }} select id, cast(at as timestamp) as at, kind, amount from {{ ref('events') }}
