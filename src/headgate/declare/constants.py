"""Names that are the same in every template of a reading: pure functions, modules with what is listed alone, and what only a
run can answer, answered as by an empty database."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from headgate.declare.context import Names, plain_data
from headgate.declare.macros import Return
from headgate.declare.sandbox import CompilerError
from headgate.spec.invocation import UNCALLED
from headgate.spec.results import ResultTable
from headgate.spec.templating import ColumnFactory, RelationFactory

PARSE_CLOCK = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DBT_VERSION = "1.11.0"
"""The version of dbt whose context this is."""
_ENDLESS_MAX = 100_000  # as many as range() may give
_MANY_MAX = 200_000  # what a few lists may give together

_RE = """
match search fullmatch sub subn split findall finditer compile escape error
A ASCII DOTALL I IGNORECASE L LOCALE M MULTILINE S U UNICODE VERBOSE X NOFLAG
"""
_ITERTOOLS = """
accumulate chain compress dropwhile filterfalse groupby islice pairwise starmap takewhile tee zip_longest
"""
_FAILURES = """
raise_compiler_error raise_not_implemented raise_parsing_error raise_database_error raise_dependency_error
raise_fail_fast_error raise_duplicate_patch_name raise_invalid_property_yml_version raise_duplicate_resource_name
raise_ambiguous_alias raise_ambiguous_catalog_match raise_cache_inconsistent raise_dataclass_not_dict raise_dep_not_found
missing_config missing_materialization missing_relation raise_contract_error column_type_missing relation_wrong_type
"""


def constant_names(now: dt.datetime = PARSE_CLOCK) -> dict[str, Any]:
    """The names, with `now` as the present moment."""
    return {
        "exceptions": _exceptions(),
        "modules": _modules(now),
        "flags": Names(**UNCALLED.flags()),
        "api": Names(Relation=RelationFactory(), Column=ColumnFactory()),
        "column": ColumnFactory(),
        "return": _leave,
        "run_started_at": now,
        "invocation_id": "00000000-0000-7000-8000-000000000000",
        "thread_id": "main",
        "dbt_version": DBT_VERSION,
        "env": {},
        "sql_now": now.strftime("%Y-%m-%d %H:%M:%S"),
        "validation": Names(any=_AnyOf()),
        "try_or_compiler_error": _try,
        **_FUNCTIONS,
        **_unanswered(),
    }


def _unanswered() -> dict[str, Any]:
    """What a run answers."""
    return {
        "execute": False,
        "run_query": _nothing,
        "load_result": _nothing,
        "load_relation": _nothing,
        "load_cached_relation": _nothing,
        "load_agate_table": lambda: ResultTable((), ()),
        "store_result": _quiet,
        "store_raw_result": _quiet,
        "statement": _statement,
        "log": _quiet,
        "print": _quiet,
        "write": _quiet,
        "debug": _quiet,
        "submit_python_job": _quiet,
        "pre_hooks": [],
        "post_hooks": [],
        "sql": None,
        "compiled_code": None,
        "defer_relation": None,
        "context_macro_stack": None,
        "connection_name": "",
        "invocation_args_dict": UNCALLED.args(),
        "dbt_metadata_envs": {},
        "selected_resources": [],
        "graph": {
            part: {} for part in ("nodes", "sources", "exposures", "metrics", "groups", "semantic_models", "saved_queries")
        },
        "is_incremental": lambda: False,
        "should_full_refresh": lambda: False,
    }


def _leave(data: Any = None) -> Any:
    raise Return(data)


def _fail(msg: Any = "", *_: Any, **named: Any) -> Any:
    raise CompilerError(str(msg or "; ".join(str(v) for v in named.values()) or "the template failed"))


def _exceptions() -> Names:
    """dbt's `exceptions`: each fails with its message, but for the warnings."""
    named = {"missing_relation": "the relation {0} does not exist", "relation_wrong_type": "{0} is no {1}"}
    made: dict[str, Any] = dict.fromkeys(_FAILURES.split(), _fail)
    made |= {name: _failing(text) for name, text in named.items()}
    return Names(warn=_quiet, warn_snapshot_timestamp_data_types=_quiet, **made)


def heard(exceptions: Names, say: Callable[[str], Any]) -> Names:
    """The same `exceptions`, whose warnings are said to the user."""

    def warn(msg: Any, node: Any = None) -> str:
        say(f"warning: {msg}")
        return ""

    return Names(**{**vars(exceptions), "warn": warn})


def _failing(text: str) -> Callable[..., Any]:
    def fail(*said: Any, **_: Any) -> Any:
        raise CompilerError(text.format(*said, *("",) * 2))

    return fail


def _quiet(*_: Any, **__: Any) -> str:
    return ""


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _statement(
    name: Any = None, fetch_result: bool = False, auto_begin: bool = True, language: str = "sql", caller: Any = None
) -> str:
    return ""


class _AnyOf:
    """`validation.any[…]`: gives a check that a config value is of one of the kinds, or one of the values."""

    def __getitem__(self, wanted: Any) -> Callable[[Any], None]:
        choices = wanted if isinstance(wanted, tuple) else (wanted,)
        kinds = tuple(w for w in choices if isinstance(w, type))

        def check(value: Any) -> None:
            if value not in [w for w in choices if not isinstance(w, type)] and not isinstance(value, kinds):
                raise CompilerError(f"'{value}' is none of {', '.join(str(w) for w in choices)}")

        return check


def _try(message_if_exception: str, func: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return func(*args, **kwargs)
    except (Return, CompilerError):
        raise
    except Exception as error:  # the boundary: whatever the template's own function raises gets the template's message
        raise CompilerError(f"{message_if_exception}: {error}") from None


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

    zones: dict[str, Any] = {"timezone": dt.timezone, "tzinfo": dt.tzinfo, "UTC": dt.UTC}
    return Names(datetime=Moment, date=Day, time=dt.time, timedelta=dt.timedelta, **zones)


def _modules(now: dt.datetime) -> Names:
    import pytz

    zones = ("timezone", "utc", "UTC", "FixedOffset", "country_timezones")
    listed = {name: list(getattr(pytz, name)) for name in ("all_timezones", "common_timezones")}
    return Names(
        datetime=_clock(now),
        re=Names(**{name: getattr(re, name) for name in _RE.split()}),
        pytz=Names(**{name: getattr(pytz, name) for name in zones}, **listed),
        itertools=Names(**{name: getattr(itertools, name) for name in _ITERTOOLS.split()}, **_ENDLESS, **_MANY),
    )


def _bounded(items: Iterator[Any], most: int = _ENDLESS_MAX) -> Iterator[Any]:
    for given, item in enumerate(items):
        if given >= most:
            raise CompilerError(f"a loop without end was left after {most:,} rounds")
        yield item


def _many(name: str) -> Callable[..., Iterator[Any]]:
    return lambda *args, **named: _bounded(getattr(itertools, name)(*args, **named), _MANY_MAX)


_MANY: dict[str, Any] = {n: _many(n) for n in ("product", "permutations", "combinations", "combinations_with_replacement")}


_ENDLESS: dict[str, Any] = {
    "count": lambda start=0, step=1: _bounded(itertools.count(start, step)),
    "cycle": lambda items: _bounded(itertools.cycle(items)),
    "repeat": lambda item, times=None: _bounded(itertools.repeat(item) if times is None else itertools.repeat(item, times)),
}


def _fromjson(string: str, default: Any = None) -> Any:
    try:
        return json.loads(string)
    except ValueError:
        return default


def _tojson(value: Any, default: Any = None, sort_keys: bool = False) -> Any:
    try:
        return json.dumps(value, sort_keys=sort_keys, default=_jsonable)
    except ValueError:
        return default


def _jsonable(value: Any) -> Any:
    """A mapping of ours as a mapping; anything else as text."""
    return dict(value) if isinstance(value, Mapping) and hasattr(value, "keys") and not hasattr(value, "render") else str(value)


def _fromyaml(value: str, default: Any = None) -> Any:
    import yaml

    try:
        return yaml.load(value, yaml.CSafeLoader)  # the safe loader
    except yaml.YAMLError:
        return default


def _toyaml(value: Any, default: Any = None, sort_keys: bool = False) -> Any:
    import yaml

    try:
        return yaml.dump(plain_data(value), Dumper=yaml.CSafeDumper, sort_keys=sort_keys)
    except yaml.YAMLError:
        return default


def _set(value: Any, default: Any = None) -> Any:
    try:
        return set(value)
    except TypeError:
        return default


def _set_strict(value: Any) -> Any:
    try:
        return set(value)
    except TypeError as error:
        raise CompilerError(f"set_strict() takes something to go through: {error}") from None


def _zip(*args: Any, default: Any = None) -> Any:
    try:
        return list(zip(*args))  # noqa: B905  dbt's zip cuts to the shortest
    except TypeError:
        return default


def _zip_strict(*args: Any) -> Any:
    try:
        return list(zip(*args))  # noqa: B905
    except TypeError as error:
        raise CompilerError(f"zip_strict() takes things to go through: {error}") from None


def _md5(value: Any) -> str:
    return hashlib.md5(str(value).encode(), usedforsecurity=False).hexdigest()


def _diff_of_two_dicts(dict_a: Mapping[str, list[str]], dict_b: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """What the first has and the second has not, whatever the case."""
    there = {k.casefold(): {v.casefold() for v in values} for k, values in dict_b.items()}
    left = {k: [v for v in values if v.casefold() not in there.get(k.casefold(), ())] for k, values in dict_a.items()}
    return {k: values for k, values in left.items() if values or k.casefold() not in there}


_FUNCTIONS: dict[str, Any] = {
    "fromjson": _fromjson,
    "tojson": _tojson,
    "fromyaml": _fromyaml,
    "toyaml": _toyaml,
    "set": _set,
    "set_strict": _set_strict,
    "zip": _zip,
    "zip_strict": _zip_strict,
    "local_md5": _md5,
    "diff_of_two_dicts": _diff_of_two_dicts,
}
