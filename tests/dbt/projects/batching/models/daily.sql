{{ config(incremental_strategy='microbatch', event_time='happened_at', batch_size='day', begin='2024-01-01', lookback=1) }} select happened_at, kind, amount, id from {{ ref('staged') }}
