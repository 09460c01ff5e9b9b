"""The names that a template sees while the project is read: dbt's context, with nothing executed.

Everything that depends on the moment is pinned, so that reading twice gives the same text. What is the same in every template
is in `declare.constants`.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.declare.macros import Scope
from headgate.declare.mistakes import nearest
from headgate.declare.sandbox import MACROS, CompilerError
from headgate.spec.names import quote_ident
from headgate.spec.results import ResultTable, response
from headgate.spec.templating import ColumnFactory, RelationFactory, TemplateRelation

_MISSING: Any = object()


class Names:
    """A bag of names for templates: what a module would be, holding only what is listed."""

    def __init__(self, **names: Any) -> None:
        self.__dict__.update(names)

    def get(self, name: str, default: Any = None) -> Any:
        """The member, or `default`."""
        return self.__dict__.get(name, default)

    def __getitem__(self, name: str) -> Any:
        return self.__dict__[name]


@dataclass(slots=True)
class Recorder:
    """What one rendering asked for. `refs` are (package, name, version), `sources` (source, table)."""

    config: dict[str, Any] = field(default_factory=dict)
    refs: list[tuple[str | None, str, str | None]] = field(default_factory=list)
    sources: list[tuple[str, str]] = field(default_factory=list)
    env_vars: set[str] = field(default_factory=set)


class Var:
    """`var('name', default)`; `var.has_var('name')`. With `asking` a variable without a value is None: a model may yet be switched off."""

    def __init__(self, values: Mapping[str, Any], package: str, *, asking: bool = False) -> None:
        self._values, self._package, self._asking = values, package, asking

    def __call__(self, name: str, default: Any = _MISSING) -> Any:
        found = self._find(name)
        if found is not _MISSING:
            return _copy(found)
        if default is not _MISSING:
            return default
        if self._asking:
            return None
        near = nearest(str(name), [k for k, v in self._values.items() if not isinstance(v, Mapping)])
        raise CompilerError(f"variable '{name}' has no value" + (f"; did you mean '{near}'?" if near else ""), code="HG-D043")

    def has_var(self, name: str) -> bool:
        """Whether the variable has a value."""
        return self._find(name) is not _MISSING

    def _find(self, name: str) -> Any:
        scoped = self._values.get(self._package)
        if isinstance(scoped, Mapping) and name in scoped:
            return scoped[name]
        return self._values.get(name, _MISSING)


class EnvVar:
    """`env_var('NAME', default)`; every name asked for is recorded, so that its value is part of the project's digest."""

    def __init__(self, seen: set[str]) -> None:
        self._seen = seen

    def __call__(self, name: str, default: Any = None) -> str:
        if name.startswith("DBT_ENV_SECRET"):
            raise CompilerError(
                f"secret environment variable '{name}' may not be put into SQL; use ${{env:{name}}} in a connection"
            )
        self._seen.add(name)
        value = os.environ.get(name)
        if value is not None:
            return value
        if default is not None:
            return str(default)
        raise CompilerError(f"environment variable '{name}' is not set and no default is given", code="HG-D043")


class ConfigCall:
    """`config(...)` in a template: keeps what it is called with; `config.get` and `config.require` read."""

    def __init__(self, base: Mapping[str, Any], recorder: Recorder) -> None:
        self._base, self._recorder = base, recorder

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        given: dict[str, Any] = {}
        for value in args:
            if not isinstance(value, Mapping):
                raise CompilerError("config() takes key=value pairs or one mapping")
            given.update(value)
        given.update(kwargs)
        for key, value in given.items():
            self._recorder.config[key.replace("-", "_")] = _json(value)
        return ""

    def get(self, key: str, default: Any = None, validator: Any = None) -> Any:
        """The configured value, or `default`."""
        value = self._recorder.config.get(key, self._base.get(key))
        return default if value is None else _copy(value)

    def require(self, key: str, validator: Any = None) -> Any:
        """The configured value. Raises CompilerError when there is none."""
        value = self.get(key)
        if value is None:
            raise CompilerError(f"config '{key}' is required here and not set")
        return value

    def meta_get(self, key: str, default: Any = None) -> Any:
        """A value of `meta`, or `default`."""
        return (self.get("meta") or {}).get(key, default)

    def meta_require(self, key: str) -> Any:
        """A value of `meta`. Raises CompilerError when there is none."""
        value = self.meta_get(key)
        if value is None:
            raise CompilerError(f"meta '{key}' is required here and not set")
        return value

    def persist_relation_docs(self) -> bool:
        """Whether descriptions are stored on relations."""
        return bool((self.get("persist_docs") or {}).get("relation"))

    def persist_column_docs(self) -> bool:
        """Whether descriptions are stored on columns."""
        return bool((self.get("persist_docs") or {}).get("columns"))


def _looks(answer: Callable[[], Any]) -> Callable[..., Any]:
    """A method that would look into the database: it answers as an empty one, and the rendering is marked."""

    def look(self: ParseAdapter, *_: Any, **__: Any) -> Any:
        self.scope().introspects = True
        return answer()

    return look


class ParseAdapter:
    """`adapter` while nothing runs: names are quoted, macros dispatched, and the database looks empty."""

    def __init__(self, scope: Callable[[], Scope]) -> None:
        self.scope = scope

    Relation = RelationFactory()
    Column = ColumnFactory()

    def dispatch(self, macro_name: str, macro_namespace: str | None = None, packages: Any = None) -> Any:
        """The implementation of a macro for this engine."""
        return self.scope().dispatch(macro_name, macro_namespace)

    def quote(self, identifier: str) -> str:
        """A quoted identifier."""
        return quote_ident(str(identifier))

    def quote_as_configured(self, identifier: str, quote_key: str = "identifier") -> str:
        """A quoted identifier."""
        return quote_ident(str(identifier))

    def quote_seed_column(self, column: str, quote_config: bool | None) -> str:
        """A seed's column, quoted unless `quote_columns` says no."""
        return column if quote_config is False else quote_ident(column)

    def type(self) -> str:
        """The engine's name in dbt."""
        return "duckdb"

    def get_hard_deletes_behavior(self, config: Mapping[str, Any]) -> str:
        """What a snapshot does with keys that are gone."""
        return str(config.get("hard_deletes") or "ignore")

    def is_motherduck(self) -> bool:
        """Never."""
        return False

    is_ducklake = disable_transactions = is_motherduck

    def warn_once(self, msg: str) -> str:
        """Nothing."""
        return ""

    get_relation = load_relation = _looks(lambda: None)
    get_columns_in_relation = get_missing_columns = list_relations_without_caching = list_schemas = _looks(list)
    list_relations = get_columns_in_table = get_column_schema_from_query = _looks(list)
    check_schema_exists = already_exists = _looks(bool)
    create_schema = drop_schema = drop_relation = rename_relation = truncate_relation = commit = _looks(str)
    expand_target_column_types = get_csv_data = cache_added = cache_dropped = cache_renamed = _looks(str)
    valid_snapshot_target = assert_valid_snapshot_target_given_strategy = _looks(lambda: None)
    standardize_grants_dict = _looks(dict)
    execute = add_query = _looks(lambda: (response(), ResultTable((), ())))
    convert_type = _looks(lambda: "VARCHAR")


class ContextView:
    """`context` in a template: its names by key."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names

    def __getitem__(self, name: str) -> Any:
        found = self.get(name, _MISSING)
        if found is _MISSING:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return self.get(str(name), _MISSING) is not _MISSING

    def get(self, name: str, default: Any = None) -> Any:
        """The name's value, or `default`."""
        if name.startswith("_"):
            return default
        if name in self._names:
            return self._names[name]
        scope = self._names.get(MACROS)
        return scope.find(name, default) if scope is not None else default


def _copy(value: Any) -> Any:
    """Containers are copied, so that a template cannot change what others see."""
    if isinstance(value, TemplateRelation):
        return value
    if isinstance(value, Mapping):
        return {k: _copy(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(v) for v in value]
    return value


def _json(value: Any) -> Any:
    """A config value as plain JSON-able data: dates and relations become text."""
    if isinstance(value, TemplateRelation):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _json(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [_json(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return str(value)


plain_data = _json
copied = _copy
