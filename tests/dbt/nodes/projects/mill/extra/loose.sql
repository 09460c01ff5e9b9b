select label from {{ ref('codes') }}
