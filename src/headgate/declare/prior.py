"""What an earlier run or another environment left: a folder with `manifest.json`, `run_results.json` and `sources.json`, ours or dbt's.

It answers the selectors that compare with it: `state:`, `result:` and `source_status:`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from headgate.declare.comparing import SUBSELECTORS, Comparison
from headgate.declare.mistakes import nearest
from headgate.spec.errors import UsageError

STATES = ("new", "old", "modified", "unmodified", *(f"modified.{name}" for name in SUBSELECTORS))
RESULTS = ("success", "error", "fail", "warn", "skipped", "pass", "runtime error", "partial success", "no-op")
_STATUSES = ("fresher",)


@dataclass(frozen=True, slots=True)
class PriorRelation:
    """Where something stands in the other environment; `name` is quoted."""

    database: str
    schema: str
    alias: str
    name: str


class Prior:
    """The artifacts in `folder`. `manifest` gives the project's manifest of now when it is asked for, `target` is where its own artifacts are.

    Calling it with a method and a value gives the unique ids that they select.
    """

    def __init__(self, folder: str | Path, manifest: Callable[[], Mapping[str, Any]], target: str | Path = "") -> None:
        self.folder, self.target = Path(folder), Path(target) if target else None
        self._now = manifest

    def __call__(self, method: str, value: str) -> Collection[str]:
        """Unique ids for `state:`, `result:` or `source_status:`. Raises UsageError for another value, or when the file is not there."""
        if method == "state":
            return self._state(_one_of("state", value, STATES))
        if method == "result":
            status = _one_of("result", value, RESULTS)
            return {r["unique_id"] for r in self._read("run_results.json", "results") if r.get("status") == status}
        _one_of("source_status", value, _STATUSES)
        return self._fresher()

    def _state(self, value: str) -> set[str]:
        comparison = self._comparison
        if value in ("new", "old"):
            known = comparison.known()
            return known if value == "old" else comparison.everything() - known
        kind, _, subselector = value.partition(".")
        changed = comparison.changed(subselector)
        return changed if kind == "modified" else comparison.everything() - changed

    @cached_property
    def _comparison(self) -> Comparison:
        return Comparison(self.manifest, self._now())

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """The earlier manifest. Raises UsageError when there is none that can be read."""
        found = self._load(self.folder / "manifest.json")
        if not isinstance(found.get("nodes"), dict):
            raise UsageError(f"{self.folder / 'manifest.json'} is no manifest", expected="one that headgate or dbt has written")
        return found

    def relations(self) -> dict[str, PriorRelation]:
        """Where every model, seed, snapshot and source of the earlier manifest stands, by unique id: what `--defer` reads."""
        found = {}
        for part in ("nodes", "sources"):
            for uid, entry in (self.manifest.get(part) or {}).items():
                if entry.get("relation_name") is None or entry.get("resource_type") == "test":
                    continue
                database, schema = (str(entry.get(key) or "") for key in ("database", "schema"))
                alias = str(entry.get("alias") or entry.get("identifier") or entry["name"])
                found[uid] = PriorRelation(database, schema, alias, entry["relation_name"])
        return found

    def _fresher(self) -> set[str]:
        """Sources whose newest row is newer than it was."""
        if self.target is None:
            raise UsageError("'source_status:' has nothing to compare with", todo="run: headgate source freshness")
        before = _newest(self._read("sources.json", "results"))
        failed = {r["unique_id"] for r in self._read("sources.json", "results")} - set(before)
        now = _newest(self._load(self.target / "sources.json").get("results") or ())
        return {uid for uid, at in now.items() if uid not in failed and (uid not in before or at > before[uid])}

    def _read(self, name: str, key: str) -> list[dict[str, Any]]:
        return [item for item in self._load(self.folder / name).get(key) or () if isinstance(item, dict)]

    def _load(self, path: Path) -> dict[str, Any]:
        try:
            found = json.loads(path.read_bytes())
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {error.strerror}",
                expected="a folder with the artifacts of an earlier run",
                todo="name it with --state",
            ) from None
        except ValueError as error:
            raise UsageError(f"{path} is no JSON: {error}", expected="a file that headgate or dbt has written") from None
        return found if isinstance(found, dict) else {}


def _newest(results: Iterable[Mapping[str, Any]]) -> dict[str, datetime]:
    """When the newest row of each source was loaded; of those that could be asked."""
    said = {str(r["unique_id"]): r.get("max_loaded_at") for r in results}
    return {uid: datetime.fromisoformat(at) for uid, at in said.items() if isinstance(at, str)}


def _one_of(method: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        near = nearest(value, known)
        raise UsageError(
            f"selection '{method}:{value}' asks for what there is not",
            expected="one of " + ", ".join(known),
            todo=f"did you mean '{method}:{near}'?" if near else "",
            code="HG-U010",
        )
    return value
