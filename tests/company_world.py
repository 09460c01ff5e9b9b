"""A company's project in dbt's layout: a package, its own schema names, seeds, views, tables, ephemeral models, a snapshot, an exposure."""

from __future__ import annotations

import re
from pathlib import Path

FILES = r"""
--- headgate.yml
name: company
version: '1.0'
model-paths: [models]
vars: { min_amount: 5, company: { currency: EUR } }
models:
  company:
    +materialized: view
    intermediate: { +materialized: ephemeral }
    marts: { +materialized: table, +tags: [nightly], finance: { +schema: finance, +tags: finance } }
seeds: { company: { +schema: ref_data } }
lake: { catalog: 'sqlite:.headgate/c.sqlite', data: .headgate/data }
state: 'sqlite:///.headgate/state.db'
--- macros/generate_schema_name.sql
{% macro generate_schema_name(custom_schema_name, node) -%}
  {%- if custom_schema_name is none -%}{{ target.schema }}{%- else -%}{{ custom_schema_name | trim }}{%- endif -%}
{%- endmacro %}
--- macros/cents.sql
{% macro cents_to_units(column, scale=2) %}round({{ column }} / 100.0, {{ scale }}){% endmacro %}
--- packages.yml
packages: [{ package: company/small_utils, version: 1.0.0 }]
--- dbt_packages/small_utils/dbt_project.yml
name: small_utils
version: '1.0.0'
--- dbt_packages/small_utils/macros/all.sql
{% macro _is_relation(obj) %}{% if not (obj is mapping and obj.get('metadata', {}).get('type', '').endswith('Relation')) %}
{% do exceptions.raise_compiler_error("no relation: " ~ obj) %}{% endif %}{% endmacro %}
{% macro surrogate_key(fields) %}{{ return(adapter.dispatch('surrogate_key', 'small_utils')(fields)) }}{% endmacro %}
{% macro default__surrogate_key(fields) %}md5({% for f in fields %}coalesce(cast({{ f }} as varchar), '_null_')
{%- if not loop.last %} || '-' || {% endif %}{% endfor %}){% endmacro %}
{% macro star(from, except=[]) %}{% do small_utils._is_relation(from) %}{% if execute %}
{%- set cols = adapter.get_columns_in_relation(from) | map(attribute='name') | reject('in', except) | list -%}
{{ cols | join(', ') }}{% else %}*{% endif %}{% endmacro %}
{% macro pivot(column, values, then_value=1) %}{% for v in values %}sum(case when {{ column }} = '{{ v }}' then {{ then_value }} else 0 end)
 as {{ adapter.quote(v) }}{% if not loop.last %}, {% endif %}{% endfor %}{% endmacro %}
{% macro date_spine(start, stop) %}select cast(d as date) as date_day from generate_series({{ start }}, {{ stop }}, interval 1 day) t(d){% endmacro %}
{% macro union_relations(relations) %}{% for r in relations %}{% do small_utils._is_relation(r) %}
select *, '{{ r.identifier }}' as _source from {{ r }}{% if not loop.last %} union all by name {% endif %}{% endfor %}{% endmacro %}
--- seeds/raw_customers.csv
id,name
1,Ada
2,Grace
3,
--- seeds/raw_orders.csv
id,customer_id,status,cents,ordered_at
1,1,paid,1000,2026-01-01
2,1,open,300,2026-01-02
3,2,paid,2050,2026-01-03
--- models/staging/stg_customers.sql
select id as customer_id, name from {{ ref('raw_customers') }}
--- models/staging/stg_orders.sql
{{ config(tags=['orders']) }}
select id as order_id, customer_id, status, {{ cents_to_units('cents') }} as amount, ordered_at from {{ ref('raw_orders') }}
--- models/staging/properties.yml
models:
  - name: stg_customers
    description: "{{ doc('customers') }}"
    columns:
      - name: customer_id
        data_tests: [unique, not_null]
      - name: name
        data_tests:
          - not_null: { config: { severity: warn } }
  - name: stg_orders
    columns:
      - name: customer_id
        data_tests:
          - relationships: { to: ref('stg_customers'), field: customer_id }
      - name: status
        data_tests:
          - accepted_values: { values: [paid], config: { where: "amount >= 5" } }
          - accepted_values: { name: warned, values: [paid], config: { severity: error, error_if: ">10", warn_if: ">0" } }
exposures:
  - name: board
    type: dashboard
    owner: { name: Finance, email: finance@example.com }
    depends_on: [ref('fct_orders')]
--- models/docs.md
{% docs customers %}One row per *customer*.{% enddocs %}
--- models/intermediate/int_orders.sql
select o.*, c.name from {{ ref('stg_orders') }} o left join {{ ref('stg_customers') }} c using (customer_id)
--- models/marts/fct_orders.sql
select {{ small_utils.surrogate_key(['order_id', 'customer_id']) }} as order_key, *, '{{ var("currency") }}' as currency,
 '{{ env_var("COMPANY_REGION", "eu") }}' as region from {{ ref('int_orders') }} where amount >= {{ var('min_amount') }}
--- models/marts/finance/by_customer.sql
select customer_id, {{ small_utils.pivot('status', ['paid', 'open'], 'amount') }} from {{ ref('stg_orders') }} group by 1
--- models/marts/finance/everything.sql
{{ small_utils.union_relations([ref('fct_orders'), ref('by_customer')]) }}
--- models/marts/days.sql
{{ small_utils.date_spine("date '2026-01-01'", "date '2026-01-03'") }}
--- models/marts/slim.sql
select {{ small_utils.star(ref('fct_orders'), except=['order_key', 'region']) }} from {{ ref('fct_orders') }}
--- snapshots/customers.sql
{% snapshot customers_history %}{{ config(target_schema='history', unique_key='customer_id', strategy='check', check_cols=['name']) }}
select * from {{ ref('stg_customers') }}{% endsnapshot %}
"""


def write_company(root: Path) -> Path:
    """Write the project into `root`, and give that back."""
    parts = re.split(r"^--- (\S+)\n", FILES, flags=re.M)
    for path, content in zip(parts[1::2], parts[2::2], strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root
