"""dbt's selector grammar over a project.

`+stg_orders`, `tag:daily,config.materialized:incremental`, `@source:shop.orders`, `path:models/marts`. A space (or another
argument) is a union, a comma an intersection. `n+x` and `x+n` bound the distance, `@x` is x, all that depends on it, and all that
these need. Tests are selected only when named: by their own name, `test_name:`, `test_type:` or `resource_type:test`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from headgate.declare.mistakes import nearest
from headgate.lineage.graph import Graph
from headgate.spec.errors import UsageError
from headgate.spec.project import CheckSpec, Exposure, Node, Project, SourceTable

_ATOM = re.compile(
    r"(?P<at>@)?(?:(?P<up_depth>\d*)(?P<up>\+))?(?:(?P<method>[a-z_]+)(?P<path>(?:\.\w+)*):)?(?P<value>.*?)(?:(?P<down>\+)(?P<down_depth>\d*))?\Z"
)
_WILD = re.compile(r"[*?\[\]]")
_FILE_ENDINGS = (".sql", ".py", ".csv", ".yml", ".yaml")
Thing = Node | SourceTable | CheckSpec | Exposure


def select(project: Project, expressions: Sequence[str], exclude: Sequence[str] = ()) -> tuple[str, ...]:
    """See `headgate.declare.select`."""
    selector = _Selector(project)
    chosen = selector.union(expressions) if expressions else {*project.nodes, *project.sources}
    chosen -= selector.union(exclude)
    return tuple(unique_id for unique_id in selector.things if unique_id in chosen)


class _Selector:
    def __init__(self, project: Project) -> None:
        self.project = project
        self.things: dict[str, Thing] = {**project.sources, **project.nodes, **project.exposures, **project.checks}
        edges = {uid: node.depends_on for uid, node in project.nodes.items()}
        edges |= dict.fromkeys(project.sources, ())
        edges |= {uid: exposure.depends_on for uid, exposure in project.exposures.items()}
        self.graph = Graph(edges)

    def union(self, expressions: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for word in (word for expression in expressions for word in expression.split()):
            parts = [self.atom(part, word) for part in word.split(",")]
            found |= set.intersection(*parts)
        return found

    def atom(self, text: str, whole: str) -> set[str]:
        match = _ATOM.match(text)
        if match is None or not match["value"]:
            raise UsageError(
                f"selection '{whole}' names nothing",
                expected="a name, or method:value such as tag:daily",
                todo="run: headgate ls",
                code="HG-U010",
            )
        direct = self.direct(match["method"], match["path"].strip(".") if match["path"] else "", match["value"], text)
        found = set(direct)
        for unique_id in direct:
            if unique_id not in self.project.checks:
                found |= self.around(unique_id, match)
        return found

    def around(self, unique_id: str, match: re.Match[str]) -> set[str]:
        found: set[str] = set()
        if match["at"]:
            below = {unique_id, *self.graph.descendants(unique_id)}
            return below | {up for node in below for up in self.graph.ancestors(node)}
        if match["up"]:
            found |= set(self.graph.ancestors(unique_id, int(match["up_depth"]) if match["up_depth"] else None))
        if match["down"]:
            found |= set(self.graph.descendants(unique_id, int(match["down_depth"]) if match["down_depth"] else None))
        return found

    def direct(self, method: str | None, path: str, value: str, text: str) -> list[str]:
        if method is None:
            method = "path" if "/" in value else "file" if value.endswith(_FILE_ENDINGS) else "fqn"
        matcher = METHODS.get(method)
        if matcher is None:
            near = nearest(method, METHODS)
            raise UsageError(
                f"selection '{text}' uses method '{method}', which does not exist",
                expected="one of " + ", ".join(METHODS),
                todo=f"did you mean '{near}:'?" if near else "",
                code="HG-U010",
            )
        found = [uid for uid, thing in self.things.items() if matcher(thing, value, path, self.project)]
        if not found:
            self.nothing(method, value, text)
        return found

    def nothing(self, method: str, value: str, text: str) -> None:
        known = sorted({name for thing in self.things.values() for name in _known(thing, method)})
        near = nearest(value, known)
        raise UsageError(
            f"selection '{text}' matches nothing in project '{self.project.name}'",
            expected="a known name"
            if near and method == "fqn"
            else f"a known {method}"
            if near
            else ("one of " + ", ".join(known[:20]) if known else ""),
            todo=f"did you mean '{near}'?" if near else "run: headgate ls",
            code="HG-U010",
        )


def _matches(value: str, name: str) -> bool:
    return fnmatchcase(name, value) if _WILD.search(value) else name == value


def _fqn_of(thing: Thing) -> tuple[str, ...]:
    if isinstance(thing, Node):
        return thing.fqn
    return (thing.package, thing.name) if isinstance(thing, CheckSpec) else ()


def _fqn(thing: Thing, value: str, path: str, project: Project) -> bool:
    """A name, or a dotted path of folders from the package (which may be left out), with wildcards."""
    fqn = _fqn_of(thing)
    if not fqn:
        return False
    if _matches(value, fqn[-1]) or (isinstance(thing, Node) and _matches(value, thing.name)):
        return True
    if isinstance(thing, CheckSpec):
        return False
    wanted = value.split(".")
    return any(
        len(start) >= len(wanted) and all(_matches(w, part) for w, part in zip(wanted, start, strict=False))
        for start in (fqn, fqn[1:])
    ) and (len(wanted) > 1 or wanted[0] in fqn[:-1] or bool(_WILD.search(value)))


def _tag(thing: Thing, value: str, path: str, project: Project) -> bool:
    return any(_matches(value, tag) for tag in getattr(thing, "tags", ()))


def _file_of(thing: Thing) -> str:
    return thing.path if isinstance(thing, Node) else thing.location.file


def _path(thing: Thing, value: str, path: str, project: Project) -> bool:
    if isinstance(thing, CheckSpec) and thing.kind != "singular":
        return False
    file, wanted = _file_of(thing), value.rstrip("/").removeprefix("./")
    return file == wanted or file.startswith(wanted + "/") or (bool(_WILD.search(wanted)) and fnmatchcase(file, wanted))


def _file(thing: Thing, value: str, path: str, project: Project) -> bool:
    if isinstance(thing, CheckSpec) and thing.kind != "singular":
        return False
    name = _file_of(thing).rpartition("/")[2]
    return _matches(value, name) or _matches(value, name.rpartition(".")[0])


def _package(thing: Thing, value: str, path: str, project: Project) -> bool:
    if isinstance(thing, CheckSpec):
        return False
    package = thing.unique_id.split(".")[1]
    return _matches(project.name if value == "this" else value, package)


def _config(thing: Thing, value: str, path: str, project: Project) -> bool:
    """`config.materialized:incremental`, `config.meta.team:sales`, `config.tags:daily`."""
    if not isinstance(thing, Node):
        return False
    config: Any = {**thing.config, "materialized": thing.materialized}
    for key in path.split("."):
        if not isinstance(config, Mapping) or key not in config:
            return False
        config = config[key]
    values = config if isinstance(config, list | tuple) else list(config) if isinstance(config, Mapping) else [config]
    return any(_matches(value, str(v).lower() if isinstance(v, bool) else str(v)) for v in values)


def _resource_type(thing: Thing, value: str, path: str, project: Project) -> bool:
    if isinstance(thing, Node):
        return _matches(value, thing.resource_type)
    names = {SourceTable: ("source",), CheckSpec: ("test", "data_test"), Exposure: ("exposure",)}
    return any(_matches(value, name) for name in names[type(thing)])


def _source(thing: Thing, value: str, path: str, project: Project) -> bool:
    """`source:shop`, `source:shop.orders`, `source:package.shop.orders`."""
    if not isinstance(thing, SourceTable):
        return False
    parts = value.split(".")
    if len(parts) == 3:
        return all(_matches(w, n) for w, n in zip(parts, (thing.package, thing.source, thing.name), strict=True))
    return len(parts) <= 2 and _matches(parts[0], thing.source) and (len(parts) == 1 or _matches(parts[1], thing.name))


def _exposure(thing: Thing, value: str, path: str, project: Project) -> bool:
    return isinstance(thing, Exposure) and _matches(value, thing.name)


def _test_type(thing: Thing, value: str, path: str, project: Project) -> bool:
    if not isinstance(thing, CheckSpec):
        return False
    return value == "data" or value == ("singular" if thing.kind == "singular" else "generic")


def _test_name(thing: Thing, value: str, path: str, project: Project) -> bool:
    return isinstance(thing, CheckSpec) and thing.kind != "singular" and _matches(value, _test_kind(thing))


def _test_kind(check: CheckSpec) -> str:
    return check.kind.removeprefix("macro:").rpartition(".")[2]


def _owner(thing: Thing, value: str, path: str, project: Project) -> bool:
    return not isinstance(thing, CheckSpec) and thing.owner is not None and _matches(value, thing.owner)


def _group(thing: Thing, value: str, path: str, project: Project) -> bool:
    return isinstance(thing, Node) and any(_matches(value, str(g)) for g in (thing.publish_group, thing.config.get("group")) if g)


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
    "test_type": _test_type,
    "test_name": _test_name,
    "owner": _owner,
    "group": _group,
}


def _known(thing: Thing, method: str) -> Iterable[str]:
    """The values that `method` could have named for this thing, for suggestions."""
    if method == "fqn":
        return _fqn_of(thing)[1:] if isinstance(thing, Node) else ()
    if method == "tag":
        return getattr(thing, "tags", ())
    if method in ("path", "file"):
        file = _file_of(thing)
        return (file, file.rpartition("/")[0]) if method == "path" else (file.rpartition("/")[2],)
    if method == "source" and isinstance(thing, SourceTable):
        return (thing.source, f"{thing.source}.{thing.name}")
    if method == "exposure" and isinstance(thing, Exposure):
        return (thing.name,)
    if method == "package":
        return (thing.unique_id.split(".")[1],)
    if method == "test_name" and isinstance(thing, CheckSpec):
        return (_test_kind(thing),)
    if method == "resource_type":
        return (thing.unique_id.split(".")[0],)
    if method == "test_type":
        return ("generic", "singular")
    if method == "owner" and not isinstance(thing, CheckSpec):
        return (thing.owner,) if thing.owner else ()
    if method == "group" and isinstance(thing, Node):
        return (thing.publish_group,) if thing.publish_group else ()
    return ()
