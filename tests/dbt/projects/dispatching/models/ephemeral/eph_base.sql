select *, {{ money('amount') }} as dollars from {{ ref('payments') }}
