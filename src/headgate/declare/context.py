"""The names that a template sees while the project is read: dbt's context, with nothing executed.

Everything that depends on the moment is pinned, so that reading twice gives the same text: `run_started_at` and `now()` are
`PARSE_CLOCK`, `execute` is false, queries give None.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.declare.macros import Return, Scope
from headgate.declare.mistakes import nearest
from headgate.declare.sandbox import MACROS, CompilerError
from headgate.spec.names import quote_ident
from headgate.spec.templating import ColumnFactory, RelationFactory, TemplateRelation

PARSE_CLOCK = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
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
    """`var('name', default)`; `var.has_var('name')`."""

    def __init__(self, values: Mapping[str, Any], package: str) -> None:
        self._values, self._package = values, package

    def __call__(self, name: str, default: Any = _MISSING) -> Any:
        found = self._find(name)
        if found is not _MISSING:
            return _copy(found)
        if default is not _MISSING:
            return default
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

    def dispatch(self, macro_name: str, macro_namespace: str | None = None, packages: Any = None) -> Any:
        """The implementation of a macro for this engine."""
        return self.scope().dispatch(macro_name, macro_namespace)

    def quote(self, identifier: str) -> str:
        """A quoted identifier."""
        return quote_ident(identifier)

    def quote_as_configured(self, identifier: str, quote_key: str) -> str:
        """A quoted identifier."""
        return quote_ident(identifier)

    def type(self) -> str:
        """The engine's name in dbt."""
        return "duckdb"

    get_relation = load_relation = _looks(lambda: None)
    get_columns_in_relation = get_missing_columns = list_relations_without_caching = list_schemas = _looks(list)
    check_schema_exists = _looks(bool)
    create_schema = drop_schema = drop_relation = rename_relation = truncate_relation = add_query = commit = _looks(str)


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


def _leave(value: Any = None) -> Any:
    raise Return(value)


def _fail(message: Any = "", node: Any = None) -> Any:
    raise CompilerError(str(message))


def _quiet(*_: Any, **__: Any) -> str:
    return ""


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _statement(
    name: Any = None, fetch_result: bool = False, auto_begin: bool = True, language: str = "sql", caller: Any = None
) -> str:
    return ""


def _clock(now: dt.datetime) -> Names:
    """`modules.datetime` with a pinned "now"."""

    class Moment(dt.datetime):
        """datetime whose present moment is the run's."""

        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Moment:
            """The pinned moment."""
            return cls.fromtimestamp(now.timestamp(), tz)

        @classmethod
        def utcnow(cls) -> Moment:
            """The pinned moment in UTC without zone."""
            return cls.fromtimestamp(now.timestamp(), dt.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Moment:
            """The pinned moment."""
            return cls.utcnow()

    class Day(dt.date):
        """date whose present day is the run's."""

        @classmethod
        def today(cls) -> Day:
            """The pinned day."""
            return cls(now.year, now.month, now.day)

    return Names(datetime=Moment, date=Day, time=dt.time, timedelta=dt.timedelta, timezone=dt.timezone, UTC=dt.UTC)


_RE = "match search fullmatch sub subn split findall finditer compile escape IGNORECASE MULTILINE DOTALL I M S X"
_ITERTOOLS = "chain product combinations permutations zip_longest islice accumulate groupby starmap"
_FAILURES = """
raise_compiler_error raise_not_implemented raise_parsing_error raise_database_error raise_dependency_error
raise_fail_fast_error raise_duplicate_patch_name raise_invalid_property_yml_version missing_relation missing_config
raise_contract_error column_type_missing relation_wrong_type
"""


def _modules(now: dt.datetime) -> Names:
    import pytz

    return Names(
        datetime=_clock(now),
        re=Names(**{name: getattr(re, name) for name in _RE.split()}),
        pytz=Names(timezone=pytz.timezone, utc=pytz.utc, UTC=pytz.UTC, all_timezones=list(pytz.all_timezones)),
        itertools=Names(**{name: getattr(itertools, name) for name in _ITERTOOLS.split()}),
    )


def _fromjson(text: str, default: Any = None) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return default


def _tojson(value: Any, default: Any = None, sort_keys: bool = False) -> Any:
    try:
        return json.dumps(value, sort_keys=sort_keys, default=str)
    except ValueError:
        return default


def _fromyaml(text: str, default: Any = None) -> Any:
    import yaml

    try:
        return yaml.load(text, yaml.CSafeLoader)  # the safe loader
    except yaml.YAMLError:
        return default


def _toyaml(value: Any, default: Any = None, sort_keys: bool = False) -> Any:
    import yaml

    try:
        return yaml.dump(_json(value), Dumper=yaml.CSafeDumper, sort_keys=sort_keys)
    except yaml.YAMLError:
        return default


def _set(value: Any, default: Any = None) -> Any:
    try:
        return set(value)
    except TypeError:
        return default


def _zip(*args: Any, default: Any = None) -> Any:
    try:
        return list(zip(*args))  # noqa: B905  dbt's zip cuts to the shortest
    except TypeError:
        return default


def _md5(value: Any) -> str:
    return hashlib.md5(str(value).encode(), usedforsecurity=False).hexdigest()


def constant_names(now: dt.datetime = PARSE_CLOCK) -> dict[str, Any]:
    """Names that are the same in every template of a reading."""
    return {
        "exceptions": Names(warn=_quiet, **dict.fromkeys(_FAILURES.split(), _fail)),
        "modules": _modules(now),
        "flags": Names(WHICH="parse", FULL_REFRESH=False, EMPTY=False, STORE_FAILURES=False, INTROSPECT=True),
        "api": Names(Relation=RelationFactory(), Column=ColumnFactory()),
        "return": _leave,
        "log": _quiet,
        "print": _quiet,
        "execute": False,
        "run_query": _nothing,
        "load_result": _nothing,
        "load_relation": _nothing,
        "store_result": _quiet,
        "store_raw_result": _quiet,
        "statement": _statement,
        "write": _quiet,
        "run_started_at": now,
        "invocation_id": "00000000-0000-7000-8000-000000000000",
        "thread_id": "main",
        "dbt_version": "1.11.0",
        "invocation_args_dict": {},
        "dbt_metadata_envs": {},
        "selected_resources": [],
        "graph": {"nodes": {}, "sources": {}, "exposures": {}, "metrics": {}, "groups": {}},
        "fromjson": _fromjson,
        "tojson": _tojson,
        "fromyaml": _fromyaml,
        "toyaml": _toyaml,
        "set": _set,
        "set_strict": set,
        "zip": _zip,
        "zip_strict": lambda *a: list(zip(*a)),  # noqa: B905
        "local_md5": _md5,
        "is_incremental": lambda: False,
        "should_full_refresh": lambda: False,
    }


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
