"""The methods of selectors: how `method:value` finds things of a project, as in dbt, with `owner:` beside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from headgate.spec.declared import Resource, UnitTest
from headgate.spec.project import CheckSpec, Exposure, Node, Project, SourceTable

Thing = Node | SourceTable | CheckSpec | Exposure | Resource | UnitTest
_WILD = re.compile(r"[*?\[\]]")
GIVEN = ("state", "result", "source_status")
"""Methods that compare with what an earlier run left: the caller answers them."""


def matches(value: str, name: str) -> bool:
    """Whether a name is meant by a value with wildcards."""
    return fnmatchcase(name, value) if _WILD.search(value) else name == value


def _is_fqn(fqn: tuple[str, ...], value: str, versioned: bool) -> bool:
    """A leaf, or folders from the start; of a versioned model also the name, and name and version joined by `.` or `_`."""
    wanted = value.split(".")
    if not versioned and fqn[-1] == value:
        return True
    if versioned and (fqn[-2] == value or "_".join(fqn[-2:]) == "_".join(wanted[-2:])):
        return True
    parts = [part for segment in fqn for part in segment.split(".")]
    if len(parts) < len(wanted):
        return False
    for index, part in enumerate(wanted):
        if _WILD.search(part):
            return fnmatchcase(".".join(parts[index:]), ".".join(wanted[index:]))
        if parts[index] != part:
            return False
    return True


def _fqn(thing: Thing, value: str, path: str, project: Project) -> bool:
    """A name, or a dotted path of folders from the package (which may be left out), with wildcards."""
    if isinstance(thing, SourceTable) or not thing.fqn:
        return False
    versioned = isinstance(thing, Node) and thing.version is not None
    if not project.dbt and matches(value, thing.name):
        return True  # in dbt a value with wildcards is held against the whole path alone
    return _is_fqn(thing.fqn, value, versioned) or (len(thing.fqn) > 1 + versioned and _is_fqn(thing.fqn[1:], value, versioned))


def _tag(thing: Thing, value: str, path: str, project: Project) -> bool:
    return any(matches(value, tag) for tag in thing.tags)


def file_of(thing: Thing) -> str:
    """The file of a thing, relative to its package's folder."""
    return thing.path or thing.location.file


def _path(thing: Thing, value: str, path: str, project: Project) -> bool:
    """A file or a folder of the project, or the property file that describes a thing; wildcards are those of the shell, and `**`."""
    found = _paths(project.root, value)
    file = PurePosixPath(file_of(thing))
    described = PurePosixPath(thing.patch_path) if isinstance(thing, Node) and thing.patch_path else None
    return file in found or described in found or any(folder in found for folder in file.parents)


_known: list[tuple[str, str, frozenset[PurePosixPath]]] = []


def _paths(root: str, value: str) -> frozenset[PurePosixPath]:
    """The paths that a value means; the last answer is kept, as it is asked for once for each thing."""
    if not _known or _known[0][:2] != (root, value):
        try:
            found = [p.relative_to(root) for p in Path(root).glob(value.rstrip("/"))]
        except (ValueError, NotImplementedError, IndexError):  # absolute, or upwards: nothing of the project
            found = []
        _known[:] = [(root, value, frozenset(PurePosixPath(p.as_posix()) for p in found))]
    return _known[0][2]


def _file(thing: Thing, value: str, path: str, project: Project) -> bool:
    name = PurePosixPath(file_of(thing))
    return matches(value, name.name) or matches(value, name.stem)


def _package(thing: Thing, value: str, path: str, project: Project) -> bool:
    return matches(project.name if value == "this" else value, thing.unique_id.split(".")[1])


def _config(thing: Thing, value: str, path: str, project: Project) -> bool:
    """`config.materialized:incremental`, `config.meta.team:sales`, `config.tags:daily`."""
    if not isinstance(thing, Node | SourceTable | CheckSpec) and not (
        isinstance(thing, Resource) and thing.resource_type == "analysis"
    ):
        return False
    config: Any = {"enabled": True, "tags": list(thing.tags), "meta": dict(thing.meta), **thing.config}
    if isinstance(thing, Node):
        config["materialized"] = thing.materialized
    elif isinstance(thing, CheckSpec):
        config |= {"severity": thing.severity, "materialized": "test"}
    for key in path.split("."):
        if not isinstance(config, Mapping) or key not in config:
            return False
        config = config[key]
    values = config if isinstance(config, list | tuple) else list(config) if isinstance(config, Mapping) else [config]
    if path == "severity":
        value = value.lower()
    return any(matches(value.lower(), str(v).lower()) if isinstance(v, bool) else matches(value, str(v)) for v in values)


def resource_type(thing: Thing) -> str:
    """dbt's word for the kind of a thing."""
    if isinstance(thing, Node | Resource):
        return thing.resource_type
    names = {SourceTable: "source", CheckSpec: "test", Exposure: "exposure", UnitTest: "unit_test"}
    return names[type(thing)]


def _resource_type(thing: Thing, value: str, path: str, project: Project) -> bool:
    kind = resource_type(thing)
    return matches(value, kind) or (kind == "test" and value == "data_test")


def _source(thing: Thing, value: str, path: str, project: Project) -> bool:
    """`source:shop`, `source:shop.orders`, `source:package.shop.orders`."""
    if not isinstance(thing, SourceTable):
        return False
    parts = value.split(".")
    if len(parts) == 3:
        return all(matches(w, n) for w, n in zip(parts, (thing.package, thing.source, thing.name), strict=True))
    return len(parts) <= 2 and matches(parts[0], thing.source) and (len(parts) == 1 or matches(parts[1], thing.name))


def _named(thing: Thing, value: str) -> bool:
    """`name` or `package.name`."""
    package, _, name = value.rpartition(".")
    return matches(name, thing.name) and (not package or matches(package, thing.unique_id.split(".")[1]))


def _exposure(thing: Thing, value: str, path: str, project: Project) -> bool:
    return isinstance(thing, Exposure) and _named(thing, value)


def _unit_test(thing: Thing, value: str, path: str, project: Project) -> bool:
    return isinstance(thing, UnitTest) and _named(thing, value)


def _resource(kind: str) -> Callable[[Thing, str, str, Project], bool]:
    def found(thing: Thing, value: str, path: str, project: Project) -> bool:
        return isinstance(thing, Resource) and thing.resource_type == kind and _named(thing, value)

    return found


def _test_type(thing: Thing, value: str, path: str, project: Project) -> bool:
    if isinstance(thing, UnitTest):
        return value == "unit"
    if not isinstance(thing, CheckSpec):
        return False
    return value == "data" or (value == "singular" if thing.kind == "singular" else value in ("generic", "schema"))


def test_kind(check: CheckSpec) -> str:
    """The name of the generic test that a check is one of."""
    return check.kind.removeprefix("macro:").rpartition(".")[2]


def _test_name(thing: Thing, value: str, path: str, project: Project) -> bool:
    if isinstance(thing, UnitTest):
        return matches(value, thing.name)
    return isinstance(thing, CheckSpec) and thing.kind != "singular" and matches(value, test_kind(thing))


def _owner(thing: Thing, value: str, path: str, project: Project) -> bool:
    return isinstance(thing, Node | SourceTable | Exposure) and thing.owner is not None and matches(value, thing.owner)


def _group(thing: Thing, value: str, path: str, project: Project) -> bool:
    if isinstance(thing, Node):
        return any(matches(value, g) for g in (thing.publish_group, thing.group) if g)
    return isinstance(thing, CheckSpec | Resource) and matches(value, str(thing.config.get("group") or ""))


def _access(thing: Thing, value: str, path: str, project: Project) -> bool:
    return isinstance(thing, Node) and thing.resource_type == "model" and thing.access == value


def _version(thing: Thing, value: str, path: str, project: Project) -> bool:
    """`latest`, `prerelease` (newer than the latest), `old` (older), `none`."""
    if not isinstance(thing, Node) or thing.resource_type != "model":
        return False
    if thing.version is None or thing.latest_version is None:
        return value == "none" and thing.version is None
    mine, latest = _order(thing.version), _order(thing.latest_version)
    return {"latest": mine == latest, "prerelease": mine > latest, "old": mine < latest}.get(value, False)


def _order(version: str) -> tuple[int, float, str]:
    try:
        return (1, float(version), "")
    except ValueError:
        return (0, 0.0, version)


METHODS: Mapping[str, Callable[[Thing, str, str, Project], bool]] = {
    "fqn": _fqn,
    "tag": _tag,
    "path": _path,
    "file": _file,
    "package": _package,
    "config": _config,
    "resource_type": _resource_type,
    "source": _source,
    "exposure": _exposure,
    "metric": _resource("metric"),
    "semantic_model": _resource("semantic_model"),
    "saved_query": _resource("saved_query"),
    "unit_test": _unit_test,
    "test_type": _test_type,
    "test_name": _test_name,
    "owner": _owner,
    "group": _group,
    "access": _access,
    "version": _version,
}


def known_values(thing: Thing, method: str) -> Iterable[str]:
    """The values that `method` could have named for this thing, for suggestions."""
    if method == "fqn":
        return thing.fqn[1:] if isinstance(thing, Node) else ()
    if method == "tag":
        return thing.tags
    if method in ("path", "file"):
        file = file_of(thing)
        return (file, file.rpartition("/")[0]) if method == "path" else (file.rpartition("/")[2],)
    if method == "source" and isinstance(thing, SourceTable):
        return (thing.source, f"{thing.source}.{thing.name}")
    if method == "package":
        return (thing.unique_id.split(".")[1],)
    if method == "test_name" and isinstance(thing, CheckSpec):
        return (test_kind(thing),)
    if method == "resource_type":
        return (resource_type(thing),)
    if method == "test_type":
        return ("generic", "singular", "unit")
    if method == "version":
        return ("latest", "prerelease", "old", "none")
    if method == "access":
        return (thing.access,) if isinstance(thing, Node) else ()
    if method == "owner" and isinstance(thing, Node | SourceTable | Exposure):
        return (thing.owner,) if thing.owner else ()
    if method == "group" and isinstance(thing, Node):
        return tuple(g for g in (thing.publish_group, thing.group) if g)
    return (thing.name,) if resource_type(thing) == method else ()
