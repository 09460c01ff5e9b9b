"""The last reading of a project as JSON: an unchanged project is decoded instead of read.

`.headgate/cache/project-<environment>.json` holds one project and the key under which it holds: the stamps of all files, the
values of the environment variables read, the variables given, and the stamps of this program. Losing the file costs time,
nothing else.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from headgate.declare import quick
from headgate.spec.declared import Constraint, GivenRows, Resource, UnitTest
from headgate.spec.errors import Diagnostic, Location
from headgate.spec.names import Relation
from headgate.spec.project import (
    CheckSpec,
    ColumnSpec,
    Exposure,
    Freshness,
    LakeSpec,
    Node,
    PriceBook,
    Project,
    SourceTable,
)

_RACY_NS = 20_000_000  # a file this young may change again without a new stamp


def key_of(
    root: str, environment: str, variables: Mapping[str, Any], stamps: Mapping[str, quick.Stamp], env_vars: Sequence[str]
) -> str | None:
    """What a cached project holds for; None when the variables given cannot be named."""
    try:
        said = json.dumps([root, environment, variables], sort_keys=True)
    except (TypeError, ValueError):
        return None
    files = quick.signature(stamps, quick.environment_of(env_vars))
    return hashlib.blake2b(f"{said}\n{files}\n{program_stamp()}".encode(), digest_size=16).hexdigest()


def program_stamp() -> str:
    """Names this version of the program: a new version, or another set of plug-ins, reads the project anew."""
    package = Path(__file__).parent
    found = []
    for folder in (package, package / "builtin", package.parent / "spec", package.parent / "sources", package.parent / "checks"):
        for entry in os.scandir(folder):
            card = (
                Path(entry.path, "__init__.py") if folder.name in ("sources", "checks") and entry.is_dir() else Path(entry.path)
            )
            if card.suffix in (".py", ".sql") and card.exists():
                found.append((entry.name, card.stat().st_mtime_ns))
    return repr(sorted(found))


def restore(root: str, environment: str, variables: Mapping[str, Any]) -> tuple[Project, str] | None:
    """The cached project and the quick digest of its files, if it still holds; else None."""
    reading = quick.last_reading(root)
    if not reading.get("folders"):
        return None
    collecting = gc.isenabled()
    gc.disable()  # looking for garbage among ten thousand values that are all kept takes a sixth of the reading
    try:
        found = json.loads(_file(root, environment).read_bytes())
        stamps, env_vars = quick.stamps(root, reading["folders"], reading.get("files") or ()), reading.get("env_vars") or ()
        key = key_of(root, environment, variables, stamps, env_vars)
        if key is None or found["key"] != key:
            return None
        return decode(found["project"]), quick.signature(stamps, quick.environment_of(env_vars))
    except (OSError, ValueError, KeyError, TypeError, IndexError):  # missing, cut or of another version: read the project instead
        return None
    finally:
        if collecting:
            gc.enable()


def store(
    project: Project,
    asked: str,
    variables: Mapping[str, Any],
    stamps: Mapping[str, quick.Stamp],
    reading: Mapping[str, Sequence[str]],
) -> None:
    """Keep a project for `restore` of environment `asked`. `reading` is what `quick.last_reading` will say. A folder that cannot be
    written is no error."""
    key = key_of(project.root, asked, variables, stamps, reading["env_vars"])
    youngest = max((stamp[2] for stamp in stamps.values()), default=0)
    try:
        folder = Path(project.root, quick.CACHE)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / quick.READING, reading)
        if key is not None and time.time_ns() - youngest > _RACY_NS:
            write_json(_file(project.root, asked), {"key": key, "project": encode(project)})
    except (OSError, TypeError, ValueError):
        return


def _file(root: str, environment: str) -> Path:
    return Path(root, quick.CACHE, f"project-{environment or 'default'}.json")


def write_json(path: Path, value: Any) -> None:
    """Write `value`; readers see the old or the new file, never half of one. Raises OSError, TypeError or ValueError."""
    text = json.dumps(value, separators=(",", ":"))
    if path.exists() and path.stat().st_size == len(text.encode()) and path.read_text(encoding="utf-8") == text:
        return
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _location(value: Location) -> list[Any]:
    return [value.file, value.line, value.column]


def _row(value: Any) -> list[Any]:
    return [getattr(value, field.name) for field in fields(value)]


def _rows(values: Mapping[str, Any]) -> list[list[Any]]:
    return [_row(value) for value in values.values()]


def _encode_columns(columns: Mapping[str, ColumnSpec]) -> list[list[Any]]:
    rows = _rows(columns)
    for row in rows:
        row[6] = _encode_constraints(row[6])
    return rows


def _decode_columns(rows: list[list[Any]]) -> dict[str, ColumnSpec]:
    return {
        row[0]: ColumnSpec(row[0], row[1], row[2], row[3], row[4], tuple(row[5]), _decode_constraints(row[6]), *row[7:])
        for row in rows
    }


def _encode_constraints(constraints: tuple[Constraint, ...]) -> list[list[Any]]:
    return [_row(value) for value in constraints]


def _decode_constraints(rows: list[list[Any]]) -> tuple[Constraint, ...]:
    return tuple(Constraint(r[0], tuple(r[1]), r[2], r[3], r[4], tuple(r[5]), r[6], r[7]) for r in rows)


def _encode_given(rows: tuple[GivenRows, ...]) -> list[list[Any]]:
    return [_row(value) for value in rows]


def _decode_given(rows: list[list[Any]]) -> tuple[GivenRows, ...]:
    return tuple(_decode_rows(row) for row in rows)


def _decode_rows(row: list[Any]) -> GivenRows:
    return GivenRows(row[0], row[1], None if row[2] is None else tuple(row[2]), *row[3:])


def _decode_refs(rows: list[list[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row) for row in rows)


def _decode_location(row: list[Any]) -> Location:
    return Location(*row)


def _decode_relation(row: list[Any]) -> Relation:
    return Relation(*row)


def _encode_freshness(value: Freshness | None) -> list[Any] | None:
    return None if value is None else _row(value)


def _decode_freshness(row: list[Any] | None) -> Freshness | None:
    return None if row is None else Freshness(*row)


# field -> how it is written and read; all other fields are plain values
_Coder = tuple[Callable[[Any], Any], Callable[[Any], Any]]
_LOCATION: _Coder = (_location, _decode_location)
_RELATION: _Coder = (_row, _decode_relation)
_COLUMNS: _Coder = (_encode_columns, _decode_columns)
_TUPLE: _Coder = (list, tuple)
_FRESHNESS: _Coder = (_encode_freshness, _decode_freshness)
_CONSTRAINTS: _Coder = (_encode_constraints, _decode_constraints)
_GIVEN: _Coder = (_encode_given, _decode_given)
_EXPECTED: _Coder = (_row, _decode_rows)
_REFS: _Coder = (list, _decode_refs)
_CODERS: Mapping[type, Mapping[str, _Coder]] = {
    Node: {
        "relation": _RELATION,
        "location": _LOCATION,
        "depends_on": _TUPLE,
        "columns": _COLUMNS,
        "grain": _TUPLE,
        "tags": _TUPLE,
        "fqn": _TUPLE,
        "constraints": _CONSTRAINTS,
        "macros": _TUPLE,
        "refs": _REFS,
    },
    SourceTable: {
        "relation": _RELATION,
        "location": _LOCATION,
        "primary_key": _TUPLE,
        "columns": _COLUMNS,
        "freshness": _FRESHNESS,
        "tags": _TUPLE,
        "fqn": _TUPLE,
    },
    CheckSpec: {"location": _LOCATION, "depends_on": _TUPLE, "tags": _TUPLE, "fqn": _TUPLE},
    Exposure: {"location": _LOCATION, "depends_on": _TUPLE, "fqn": _TUPLE, "tags": _TUPLE},
    Resource: {"location": _LOCATION, "depends_on": _TUPLE, "fqn": _TUPLE, "tags": _TUPLE},
    UnitTest: {
        "location": _LOCATION,
        "given": _GIVEN,
        "expect": _EXPECTED,
        "fqn": _TUPLE,
        "depends_on": _TUPLE,
        "tags": _TUPLE,
    },
    Diagnostic: {"location": _LOCATION},
}


def _encode_all(kind: type, values: Any) -> list[list[Any]]:
    coders = _CODERS[kind]
    names = [f.name for f in fields(kind)]
    plain = [(name, coders[name][0] if name in coders else None) for name in names]
    return [[code(getattr(v, name)) if code else getattr(v, name) for name, code in plain] for v in values]


def _decode_all(kind: type, rows: list[list[Any]]) -> list[Any]:
    coders = _CODERS[kind]
    coded = [(index, coders[f.name][1]) for index, f in enumerate(fields(kind)) if f.name in coders]
    for row in rows:
        for index, code in coded:
            row[index] = code(row[index])
    return [kind(*row) for row in rows]


_KEYED: Mapping[str, type] = {
    "nodes": Node,
    "disabled": Node,
    "sources": SourceTable,
    "checks": CheckSpec,
    "exposures": Exposure,
    "resources": Resource,
    "unit_tests": UnitTest,
    "contract_checks": CheckSpec,
}


def encode(project: Project) -> dict[str, Any]:
    """A project as JSON-able data."""
    found = {f.name: getattr(project, f.name) for f in fields(project)}
    found |= {name: _encode_all(kind, found[name].values()) for name, kind in _KEYED.items()}
    found["notices"] = _encode_all(Diagnostic, project.notices)
    found["lake"], found["prices"] = _row(project.lake), _row(project.prices)
    return found


def decode(found: dict[str, Any]) -> Project:
    """The project that `encode` was given. Raises KeyError, TypeError or IndexError for data of another version."""
    for name, kind in _KEYED.items():
        found[name] = {value.unique_id: value for value in _decode_all(kind, found[name])}
    found["notices"] = tuple(_decode_all(Diagnostic, found["notices"]))
    found["lake"], found["prices"] = LakeSpec(*found["lake"]), PriceBook(*found["prices"])
    for name in ("secrets", "audit_columns"):
        found[name] = tuple(found[name])
    found["publish_groups"] = {name: tuple(members) for name, members in found["publish_groups"].items()}
    return Project(**found)
