"""Incremental strategies against an oracle: deliveries with late rows, duplicates and reruns give what all rows give."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headgate.spec.staged import Interval

# no shrinking: an example takes half a second, and a failing one is small already
QUICK = settings(
    max_examples=int(os.environ.get("HEADGATE_EXAMPLES", "4")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
START = datetime(2026, 1, 1)

# one row: key, hour of its change, value; deliveries are lists of them
ROW = st.tuples(st.integers(1, 4), st.integers(0, 60), st.integers(0, 2))
DELIVERIES = st.lists(st.lists(ROW, max_size=6), min_size=1, max_size=4)

COLUMNS = "k INTEGER, updated_at TIMESTAMP, v INTEGER"
# the loads that came since the last build, and the one before it again: an overlap, as a lookback gives
FRESH = "{% if is_incremental() %} where _loaded_at >= (select max(_loaded_at) - interval '1 second' from {{ this }}) {% endif %}"


def stamped(delivery):
    return [(k, START + timedelta(hours=h), v) for k, h, v in delivery]


def newest(deliveries):
    """The newest version of each key: by change time, then by arrival."""
    best: dict[int, tuple] = {}
    for delivery in deliveries:
        for k, h, v in delivery:
            if k not in best or h >= best[k][0]:
                best[k] = (h, v)
    return sorted(((k, START + timedelta(hours=h), v) for k, (h, v) in best.items()), key=repr)


def check_keyed(world, deliveries, strategy):
    world.source("s", COLUMNS)
    code = (
        "select k, updated_at, v, _loaded_at, _position, current_timestamp as _dbt_loaded_at from {{ source('shop', 's') }} "
        + FRESH
    )
    node = world.model(
        "m",
        code,
        "incremental",
        unique_key="k",
        incremental_strategy=strategy,
        incremental_order=["updated_at"],
        key_is_group=False,
    )
    for delivery in deliveries:
        world.deliver("s", stamped(delivery))
        staged = world.run(node)
        assert staged.counts.rows_out <= len({r[0] for d in deliveries for r in d})
    before = world.rows("select * from lake.marts.m")
    world.run(node)
    assert world.rows("select * from lake.marts.m") == before
    assert world.rows("select k, updated_at, v from lake.marts.m") == newest(deliveries)


@QUICK
@given(deliveries=DELIVERIES, strategy=st.sampled_from(["merge", "delete+insert"]))
def test_merge_and_delete_insert(open_world, deliveries, strategy):
    with TemporaryDirectory() as folder, open_world(Path(folder)) as world:
        check_keyed(world, deliveries, strategy)


def check_spans(world, deliveries, strategy):
    """Partitions and batches of ten hours' rows, rebuilt whenever a row of theirs arrives."""
    world.source("s", "k INTEGER, day DATE, v INTEGER", event_time="day")
    config = {"incremental_strategy": strategy, "partition_by": "day"}
    touched = (
        "{% if is_incremental() %} where day in (select day from {{ source('shop', 's') }} "
        "where _load_id = (select max(_load_id) from {{ source('shop', 's') }})) {% endif %}"
    )
    if strategy == "microbatch":
        config |= {"event_time": "day", "begin": "2026-01-01", "batch_size": "day"}
        touched = ""
    node = world.model(
        "m",
        "select k, day, v, current_timestamp as _dbt_loaded_at from {{ source('shop', 's') }} " + touched,
        "incremental",
        **config,
    )
    for delivery in deliveries:
        rows = [(k, date(2026, 1, 1) + timedelta(days=h // 20), v) for k, h, v in delivery]
        world.deliver("s", rows)
        for _ in range(2):
            before = world.rows("select * from lake.marts.m") if world.recorded else None
            if strategy != "microbatch":
                staged = world.run(node)
            for day in sorted({r[1] for r in rows}) if strategy == "microbatch" else ():
                span = Interval(f"{day}T00:00:00", f"{day + timedelta(days=1)}T00:00:00")
                staged = world.run(node, "intervals", span)
        if rows and before is not None:
            assert world.rows("select * from lake.marts.m") == before and staged.counts.rows_out == 0
    if world.recorded:
        assert world.rows("select k, day, v from lake.marts.m") == world.rows("select k, day, v from lake.raw_shop.s")


@QUICK
@given(deliveries=DELIVERIES, strategy=st.sampled_from(["insert_overwrite", "microbatch"]))
def test_partitions_and_batches(open_world, deliveries, strategy):
    with TemporaryDirectory() as folder, open_world(Path(folder)) as world:
        check_spans(world, deliveries, strategy)
