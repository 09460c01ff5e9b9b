"""How an entry of a manifest differs from the one of an earlier manifest: body, configs, relation, descriptions, contract, macros.

Both are dicts in dbt's shape, so that a manifest of dbt's own can be compared with as well. Configs are compared as they are rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Entry = Mapping[str, Any]
PARTS = ("nodes", "sources", "exposures", "metrics", "semantic_models", "saved_queries", "unit_tests")
SUBSELECTORS = ("body", "configs", "persisted_descriptions", "relation", "macros", "contract")
_PLACES = ("database", "schema", "alias")
_NOT_CONFIG = frozenset((*_PLACES, "tags", "group"))
_OF_TESTS = ("severity", "where", "limit", "fail_calc", "warn_if", "error_if", "store_failures", "store_failures_as")
_DEFAULTS: Mapping[str, Any] = {  # what a key that a manifest lacks stands for; all others: nothing
    "enabled": True, "materialized": "view", "lookback": 1, "on_schema_change": "ignore", "on_configuration_change": "apply",
    "access": "protected", "delimiter": ",", "docs": {"show": True, "node_color": None},
    "contract": {"enforced": False, "alias_types": True},
}  # fmt: skip
_FIELDS: Mapping[str, tuple[str, ...]] = {  # of what has no code: the fields whose change is a change
    "exposure": ("fqn", "type", "owner", "maturity", "url", "description", "label"),
    "metric": ("fqn", "type", "type_params", "filter", "description", "label"),
    "semantic_model": (
        "fqn",
        "model",
        "description",
        "defaults",
        "entities",
        "dimensions",
        "measures",
        "primary_entity",
        "group",
    ),
    "saved_query": ("fqn", "query_params", "description", "label", "exports", "group", "tags"),
}


class Comparison:
    """Two manifests of a project: `old`, and `new` of now."""

    def __init__(self, old: Entry, new: Entry) -> None:
        self.old, self.new = old, new
        self._macros = _modified_macros(old, new)

    def changed(self, subselector: str = "") -> set[str]:
        """Unique ids of what was modified (in one respect only, with a subselector)."""
        return {uid for uid, entry in self._all(self.new) if self._is_changed(uid, entry, subselector)}

    def known(self) -> set[str]:
        """Unique ids of what the earlier manifest holds too."""
        before = {uid for uid, _ in self._all(self.old)}
        return {uid for uid, _ in self._all(self.new) if uid in before}

    def everything(self) -> set[str]:
        """Unique ids of all there is now."""
        return {uid for uid, _ in self._all(self.new)}

    @staticmethod
    def _all(manifest: Entry) -> list[tuple[str, Entry]]:
        return [(uid, entry) for part in PARTS for uid, entry in (manifest.get(part) or {}).items()]

    def _is_changed(self, uid: str, entry: Entry, subselector: str) -> bool:
        old = next((self.old[part][uid] for part in PARTS if uid in (self.old.get(part) or {})), None)
        if subselector == "macros":
            return self._calls_modified(entry)
        if subselector:
            kind = entry["resource_type"]
            same = _RESPECTS[subselector]
            if kind in ("exposure", "metric", "semantic_model", "saved_query", "unit_test"):
                return subselector == "configs" and (old is None or not same_config(entry, old))
            return (old is None and (kind != "source" or subselector != "body")) or (old is not None and not same(entry, old))
        return not same_contents(entry, old) or self._calls_modified(entry)

    def _calls_modified(self, entry: Entry) -> bool:
        """Whether a macro that it calls, or one that such a macro calls, has changed."""
        waiting = list((entry.get("depends_on") or {}).get("macros") or ())
        seen: set[str] = set()
        while waiting:
            macro = waiting.pop()
            if macro in self._macros:
                return True
            if macro not in seen:
                seen.add(macro)
                waiting += (self.new["macros"].get(macro) or {}).get("depends_on", {}).get("macros", ())
        return False


def _modified_macros(old: Entry, new: Entry) -> set[str]:
    """Macros of the project and its packages whose texts differ. The built-in libraries belong to who wrote the manifest."""
    builtin = {"dbt"} | {f"dbt_{(m.get('metadata') or {}).get('adapter_type')}" for m in (old, new)}
    before, now = (
        {uid: _text(e.get("macro_sql")) for uid, e in (m.get("macros") or {}).items() if e.get("package_name") not in builtin}
        for m in (old, new)
    )
    return {uid for uid in {*before, *now} if before.get(uid) != now.get(uid)}


def same_contents(new: Entry, old: Entry | None) -> bool:
    """Whether nothing that matters has changed, by dbt's rules for its kind."""
    kind = new["resource_type"]
    if old is None:
        return kind not in _CODE and kind != "unit_test"  # dbt: what has no code and is new is not modified
    if kind == "unit_test":
        return bool(new.get("checksum") == old.get("checksum"))
    if kind == "source":
        return (
            same_relation(new, old)
            and same_config(new, old)
            and _same(new, old, "fqn", "freshness", "loaded_at_field", "external")
        )
    if kind in _FIELDS:
        return _same(new, old, *_FIELDS[kind]) and same_config(new, old) and _needs(new) == _needs(old)
    if new.get("test_metadata"):
        return same_config(new, old) and _same(new, old, "fqn")
    return all(same(new, old) for same in (same_body, same_config, same_descriptions, same_relation, same_contract)) and _same(
        new, old, "fqn"
    )


_CODE = ("model", "seed", "snapshot", "test", "analysis", "operation")


def same_body(new: Entry, old: Entry) -> bool:
    """The code; of a seed its content."""
    if new["resource_type"] == "seed":
        return bool(new.get("checksum") == old.get("checksum"))
    return _text(new.get("raw_code")) == _text(old.get("raw_code"))


def _text(code: Any) -> str:
    """Code, whichever line ends a manifest keeps."""
    return str(code or "").replace("\r\n", "\n")


def same_config(new: Entry, old: Entry) -> bool:
    """The configuration, but for where it stands and how it is labelled."""
    now, before = new.get("config") or {}, old.get("config") or {}
    keys = _OF_TESTS if new["resource_type"] == "test" else {*now, *before} - _NOT_CONFIG
    return all(_value(now, key) == _value(before, key) for key in keys)


def _value(config: Entry, key: str) -> Any:
    found = config.get(key, _DEFAULTS.get(key))
    if isinstance(found, Mapping):
        found = {k: v for k, v in found.items() if v is not None}
    return None if found in (None, [], {}, "") else found


def same_descriptions(new: Entry, old: Entry) -> bool:
    """The descriptions, where they are written into the database."""
    persisted = (new.get("config") or {}).get("persist_docs") or {}
    if persisted.get("relation") and not _same(new, old, "description"):
        return False
    columns = [{k: c.get("description") for k, c in (e.get("columns") or {}).items()} for e in (new, old)]
    return not persisted.get("columns") or columns[0] == columns[1]


def same_relation(new: Entry, old: Entry) -> bool:
    """Where it stands, as configured: the target's own schema and database are no change. Of a source as it is."""
    if new["resource_type"] == "source":
        return _same(new, old, "schema", "identifier", "unrendered_database")
    now, before = new.get("config") or {}, old.get("config") or {}
    return all(now.get(key) == before.get(key) for key in _PLACES)


def same_contract(new: Entry, old: Entry) -> bool:
    """What is promised of the columns."""
    now, before = new.get("contract") or {}, old.get("contract") or {}
    if not now.get("enforced") and not before.get("enforced"):
        return True
    return bool(now.get("enforced") == before.get("enforced") and now.get("checksum") == before.get("checksum"))


def _same(new: Entry, old: Entry, *keys: str) -> bool:
    return all(new.get(key) == old.get(key) for key in keys)


def _needs(entry: Entry) -> set[str]:
    return set((entry.get("depends_on") or {}).get("nodes") or ())


_RESPECTS: Mapping[str, Callable[[Entry, Entry], bool]] = {
    "body": same_body,
    "configs": same_config,
    "persisted_descriptions": same_descriptions,
    "relation": same_relation,
    "contract": same_contract,
}
