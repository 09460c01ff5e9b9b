{{ config(incremental_strategy='microbatch', event_time='at', batch_size='day', begin='2024-01-01', lookback=1) }} select at, kind, amount, id from {{ ref('staged') }}
