{% snapshot one %}{{ config(target_schema='kept', unique_key='sack', strategy='check', check_cols='all', tags=['hist']) }} select * from {{ ref('flour') }} {% endsnapshot %}
{% snapshot two %}{{ config(unique_key='code', strategy='check', check_cols=['label']) }} select * from {{ ref('codes') }} {% endsnapshot %}
