{{ config(alias='white_flour', tags=['white']) }}
select g.*, c.code from {{ ref('ground') }} g cross join {{ ref('codes') }} c
