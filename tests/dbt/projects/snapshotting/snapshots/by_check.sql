{% snapshot by_check %}{{ config(unique_key='id', strategy='check', check_cols=['name', 'price'], hard_deletes='invalidate') }}select * from {{ ref('items') }}{% endsnapshot %}
{% snapshot by_all %}{{ config(unique_key='id', strategy='check', check_cols='all', invalidate_hard_deletes=True) }}select id, name from {{ ref('items') }}{% endsnapshot %}
