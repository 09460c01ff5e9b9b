"""What dbt calls a generic test: its name from its arguments, and its unique id with a hash of how it is written.

Other tools join on these ids, so that they must be dbt's to the letter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from headgate.spec.project import CheckSpec

_NAME_MAX = 63  # longer names are cut and hashed where a relation or a file bears them
_CUT = 30
_HASH_LENGTH = 10
_HASHED = ("name", "kwargs", "namespace")
DBT_ORDER = (
    "severity", "tags", "enabled", "where", "limit", "warn_if", "error_if", "fail_calc", "store_failures", "store_failures_as",
    "meta", "database", "schema", "alias",
)  # fmt: skip
"""In which order dbt writes the config of a test."""


def generic_name(kind: str, prefix: str, subject: str, arguments: Mapping[str, Any]) -> str:
    """The name of a test `kind` (which may have a namespace) of table `subject`; `prefix` is "source_" for a source's table."""
    flat: list[str] = []
    for _, value in sorted(arguments.items()):
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        flat += [re.sub(r"[^0-9a-zA-Z_]+", "_", str(part)) for part in parts]
    return f"{_identifier(kind, prefix, subject)}_{'__'.join(flat)}"


def short_name(name: str, identifier: str = "") -> str:
    """`name` as a relation or a file may bear it. `identifier` is what is left of it when its arguments are cut off."""
    if len(name) <= _NAME_MAX:
        return name
    return f"{(identifier or name)[:_CUT]}_{_md5(name)}"


def generic_short_name(kind: str, prefix: str, subject: str, name: str) -> str:
    """`short_name` of a generated name."""
    return short_name(name, _identifier(kind, prefix, subject))


def test_metadata(kind: str, model: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """dbt's `test_metadata`: name, namespace and arguments as written. `model` is the reference to the table: `ref('orders')`."""
    namespace, _, name = kind.rpartition(".")
    kwargs = {**arguments, "model": f"{{{{ get_where_subquery({model}) }}}}"}
    return {"name": name, "kwargs": kwargs, "namespace": namespace or None}


def ordinary_metadata(kind: str, attached_to: str | None, column: str | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a plug-in's test that stands at its column (or table), whose arguments are values, and that has no config."""
    parts = (attached_to or "").split(".")
    if attached_to is None or kind.startswith("macro:") or kind == "singular" or not 3 <= len(parts) <= 4:
        return {}
    if parts[0] == "source":
        reference = f"source('{parts[2]}', '{parts[-1]}')"
    else:
        reference = f"ref('{parts[2]}', version='{parts[3][1:]}')" if len(parts) == 4 else f"ref('{parts[2]}')"
    written = {**arguments, **({"column_name": column} if column else {})}
    return {**test_metadata(kind, reference, written), "column": column, "config": {}}


def metadata_of(check: CheckSpec) -> Mapping[str, Any]:
    """How a generic test is written: name, namespace, kwargs, column, config; empty for a singular one."""
    return check.metadata or ordinary_metadata(check.kind, check.attached_to, check.column, check.arguments)


def test_id(package: str, name: str, metadata: Mapping[str, Any] | None) -> str:
    """The unique id; a singular test has no metadata and no hash."""
    if not metadata:
        return f"test.{package}.{name}"
    hashed = _hashable({key: metadata.get(key) for key in _HASHED})
    return f"test.{package}.{name}.{_md5(name + repr(hashed))[-_HASH_LENGTH:]}"


def _identifier(kind: str, prefix: str, subject: str) -> str:
    namespace, _, name = kind.rpartition(".")
    return f"{namespace}_{prefix}{name}_{subject}" if namespace else f"{prefix}{name}_{subject}"


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _hashable(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_hashable(item) for item in value]
    return str(value)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
