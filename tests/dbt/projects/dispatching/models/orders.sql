{% set methods = ['card', 'coupon', 'bank'] %}
select order_id,
{%- for method in methods %}
  sum(case when method = '{{ method }}' then dollars else 0 end) as {{ method }}_amount{{ ',' if not loop.last }}
{%- endfor %},
  {{ helper.scale('count(*)') }} as scaled, {{ helper.label("'Q'") }} as label
from {{ ref('eph_second') }}
group by 1
