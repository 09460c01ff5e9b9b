"""A project of SQL models for benchmarks: layers of models with about twelve columns, chains and fan-in.

`models(500)` gives rendered SQL by relation name; `write(folder, 500)` lays the same models out as a dbt project. The first
ten read one raw table; every later one reads one (70 %) or two to four (30 %) of the forty before it. Same seed, same project.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

RAW = "raw.events"
RAW_SCHEMA = {
    "id": "BIGINT",
    "grp": "BIGINT",
    "amount": "DOUBLE",
    "qty": "INTEGER",
    "status": "VARCHAR",
    "created_at": "TIMESTAMP",
}
_STAGING = 10
_REACH = 40


def _staging(number: int) -> str:
    return f"""with src as (select * from {{0}})
select id, grp, amount as v0, amount * {number + 1} as v1, amount + {number} as v2, qty as v3, qty * 2 as v4,
  status as s0, upper(status) as s1, created_at as t0, cast(created_at as date) as d0,
  case when qty > {number % 50} then 'hi' else 'lo' end as s2
from src
where id % 10 <> {number}"""


def _chain(number: int) -> str:
    return f"""with a as (select * from {{0}}),
b as (
  select id, grp, sum(v0) over (partition by grp order by id rows 5 preceding) as v0, v1 + {number} as v1,
    v2 * 1.01 as v2, v3, v4, s0, s1, t0, d0, s2
  from a
)
select id, grp, coalesce(v0, 0) as v0, v1, v2, v3 + v4 as v3, v4, s0, s1, t0, d0,
  case when v1 > v2 then s2 else s0 end as s2
from b"""


def _fan_in(parents: int) -> str:
    last = f"x{parents - 1}"
    joins = "".join(f"\nleft join {{{i}}} x{i} on x{i}.id = x0.id" for i in range(1, parents))
    return f"""select x0.id, x0.grp, x0.v0 + coalesce({last}.v0, 0) as v0, x1.v1, greatest(x0.v2, {last}.v2) as v2,
  x0.v3, {last}.v4, x0.s0, coalesce(x1.s1, x0.s1) as s1, x0.t0, x0.d0, concat(x0.s2, '-') as s2
from {{0}} x0{joins}"""


def _templates(count: int, seed: int) -> dict[str, tuple[str, list[str]]]:
    """Name → SQL with numbered places for its parents, and the parents."""
    random = Random(seed)
    made: dict[str, tuple[str, list[str]]] = {}
    for number in range(count):
        name = f"m{number:04d}"
        if number < _STAGING:
            made[name] = (_staging(number), [RAW])
            continue
        width = 1 if random.random() < 0.7 else random.randint(2, 4)
        first = max(0, number - _REACH)
        parents = [f"m{p:04d}" for p in sorted(random.sample(range(first, number), min(width, number - first)))]
        made[name] = (_chain(number) if len(parents) == 1 else _fan_in(len(parents)), parents)
    return made


def models(count: int = 500, *, seed: int = 7, schema: str = "marts") -> dict[str, str]:
    """Rendered SQL of every model by its relation name."""
    return {
        f"{schema}.{name}": sql.format(*(p if "." in p else f"{schema}.{p}" for p in parents))
        for name, (sql, parents) in _templates(count, seed).items()
    }


def write(folder: Path, count: int = 500, *, seed: int = 7) -> None:
    """The same models as files of a dbt project in `folder`, with the raw table as a source."""
    target = folder / "models"
    target.mkdir(parents=True, exist_ok=True)
    for name, (sql, parents) in _templates(count, seed).items():
        places = ["{{ source('raw', 'events') }}" if p == RAW else f"{{{{ ref('{p}') }}}}" for p in parents]
        text = "{{ config(materialized='table') }}\n" + sql.format(*places) + "\n"
        (target / f"{name}.sql").write_text(text)
    (target / "sources.yml").write_text("sources:\n  - name: raw\n    schema: raw\n    tables:\n      - name: events\n")
    (folder / "dbt_project.yml").write_text("name: generated\nversion: '1.0'\nprofile: generated\nmodel-paths: [models]\n")
