{% snapshot plant_history %}
{{ config(unique_key='plant_id', strategy='check', check_cols=['plant', 'height']) }}
select * from {{ ref('stg_plants') }}
{% endsnapshot %}
