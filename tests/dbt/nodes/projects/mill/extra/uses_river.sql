select * from {{ source('river', 'level') }}
