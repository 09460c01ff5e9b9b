"""The row ledger audited from outside: every line of it against the lake's own tables before and after the commit (time travel)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import jinja2

from headgate.run.session import Session

BOOKS = ("rows_out", "rows_quarantined", "rows_deduplicated", "rows_late", "rows_filtered", "rows_dead", "rows_unchanged")


@dataclass
class Audit:
    """The books of one lake. `models` maps a model's name to its SQL, where the ledger's rows in are the rows that this gives."""

    session: Session
    models: Mapping[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    lines: int = 0
    by_interval: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    content: dict[str, Counter[str]] = field(default_factory=dict)  # of each table after its last commit

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The answer of a query."""
        cursor = self.session.lake.cursor()
        try:
            return list(cursor.execute(sql).to_arrow_table().to_pylist())
        finally:
            cursor.close()

    def check(self) -> None:
        """Audit everything that was published and landed. Raises AssertionError with all that does not balance."""
        self._loads()
        said = self.rows("select distinct dataset from lake.headgate.publications where interval_start is not null")
        self.by_interval = {r["dataset"] for r in said}  # their lines without an interval say that nothing was to be built
        for snapshot in [
            int(r["snapshot_id"]) for r in self.rows("select snapshot_id from ducklake_snapshots('lake') order by 1")
        ]:
            fresh = self._published(snapshot)
            for dataset in dict.fromkeys(r["dataset"] for r in fresh):
                self._commit(snapshot, dataset, [r for r in fresh if r["dataset"] == dataset])
        assert self.lines, "nothing was published"
        assert not self.errors, "\n".join(self.errors)

    def _published(self, snapshot: int) -> list[dict[str, Any]]:
        """The lines that this commit wrote into the ledger."""
        if "publications" not in {r["table_name"] for r in self.rows(TABLES.format(snapshot=snapshot))}:
            return []
        there = self.rows(f"select * from lake.headgate.publications at (version => {snapshot})")
        fresh = [r for r in there if r["publication_id"] not in self.seen]
        self.seen |= {r["publication_id"] for r in fresh}
        return fresh

    def _expect(self, what: str, found: Any, expected: Any) -> None:
        if found != expected:
            self.errors.append(f"{what}: the ledger says {found}, the tables say {expected}")

    def _commit(self, snapshot: int, dataset: str, lines: list[dict[str, Any]]) -> None:
        """What one commit wrote of one table: one line, or one for each interval."""
        self.lines += len(lines)
        what = f"{dataset} at snapshot {snapshot} ({', '.join(line['kind'] for line in lines)})"
        for line in lines:
            self._expect(f"{what}: rows in", line["rows_in"], sum(line[book] or 0 for book in BOOKS))
        if lines[0]["kind"] == "view":
            return
        rows = self.rows(f"select * from lake.{dataset} at (version => {snapshot})")
        old, new = self.content.get(dataset, Counter()), Counter(repr(sorted(r.items())) for r in rows)
        self.content[dataset] = new
        written, deleted = sum(line["rows_out"] for line in lines), sum(line["rows_deleted"] for line in lines)
        newest = max(lines, key=lambda line: line["publication_id"])
        self._expect(f"{what}: rows in total", newest["rows_total"], new.total())
        stood = 0 if any(line["kind"] == "replace" for line in lines) else old.total() - deleted
        self._expect(f"{what}: rows that stood and stayed, and rows out", stood + written, new.total())
        if (new - old).total() > written:
            self.errors.append(f"{what}: {(new - old).total()} rows are new and {written} are booked as rows out")
        name = dataset.partition(".")[2]
        if name in self.models:
            for line in lines:
                if line["interval_start"] is not None or dataset not in self.by_interval:
                    self._rows_in(what, name, snapshot, line, new if line["kind"] == "replace" else new - old, bool(old))

    def _rows_in(self, what: str, name: str, snapshot: int, line: dict[str, Any], added: Counter[str], stood: bool) -> None:
        """Rows in are what the model's query gives on its inputs as they were; members inferred for a fact come on top."""
        sql = self._rendered(name, snapshot, stood and line["kind"] != "replace", line)
        (given,) = self.rows(f"select count(*) as n from (\n{sql}\n)")
        inferred = sum(n for row, n in added.items() if "('is_inferred', True)" in row)
        found = line["rows_in"]
        if found != inferred + given["n"] and not (inferred and found == inferred):
            self._expect(f"{what} {line['interval_start'] or ''}: rows in", found, given["n"] + inferred)

    def _rendered(self, name: str, snapshot: int, incremental: bool, line: dict[str, Any]) -> str:
        def at(relation: str, version: int) -> str:
            return f"(select * from lake.{relation} at (version => {version}))"

        def batch(relation: str) -> str:
            rows = at(relation, snapshot)
            if line["interval_start"] is None:
                return rows
            start, end = (datetime.fromisoformat(line[f"interval_{end}"]) for end in ("start", "end"))
            return f"(select * from {rows} where happened_at >= timestamp '{start}' and happened_at < timestamp '{end}')"

        names = {
            "source": lambda source, table: batch(f"raw_{source}.{table}"),
            "ref": lambda model: batch(f"main.{model}"),
            "this": at(f"main.{name}", snapshot - 1),
            "is_incremental": lambda: incremental,
        }
        return jinja2.Environment().from_string(self.models[name]).render(**names)

    def _loads(self) -> None:
        """Every load: what it says came in is in raw, in the dead letters, or in another book."""
        for load in self.rows("select * from lake.headgate.loads where status = 'accepted'"):
            what = f"load {load['load_id']} of {load['dataset']}"
            mine = f"where _load_id = '{load['load_id']}'"
            (raw,) = self.rows(f"select count(*) as n from lake.{load['dataset']} {mine}") if load["rows_out"] else ({"n": 0},)
            (dead,) = self.rows(f"select count(*) as n from lake.headgate.dead_letters where load_id = '{load['load_id']}'")
            self._expect(f"{what}: rows out", load["rows_out"], raw["n"])
            self._expect(f"{what}: dead letters", load["rows_dead"], dead["n"])
            self._expect(f"{what}: rows in", load["rows_in"], sum(load[b] for b in BOOKS if b in load))


TABLES = """
select s.schema_name, t.table_name from __ducklake_metadata_lake.ducklake_table t
join __ducklake_metadata_lake.ducklake_schema s using (schema_id)
where t.begin_snapshot <= {snapshot} and (t.end_snapshot is null or t.end_snapshot > {snapshot})
and s.begin_snapshot <= {snapshot} and (s.end_snapshot is null or s.end_snapshot > {snapshot})
"""
