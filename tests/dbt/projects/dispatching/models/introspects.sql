-- depends_on: {{ ref('orders') }}
{% set columns = columns_of(ref('orders')) %}
{% set counted = run_query('select count(*) as n, max(order_id) as m from ' ~ ref('orders')) if execute else none %}
{% set got = many(1, 2, k='v') %}
select '{{ columns | join("|") }}' as columns, {{ counted.columns[0].values()[0] if counted else 0 }} as n,
  {{ counted.rows[0]['m'] if counted else 0 }} as m, {{ got[0] }} as given, '{{ got[1] }}' as k,
  {% call wrapped() %}1 + 2{% endcall %} as three, '{{ this.identifier }}' as me, '{{ target.name }}' as target, '{{ model.alias }}' as alias,
  {{ dbt.type_string() | length > 0 }} as typed
