{{ config(schema='reports', persist_docs={'relation': true}) }}
select customer, day from {{ ref('dim_people', v=1) }} cross join {{ ref('tools', 'days') }}
