"""dbt's `profiles.yml`: which output a dbt project writes to, as a lake.

It is looked for where dbt looks: `--profiles-dir` (or DBT_PROFILES_DIR), the project's folder, `~/.dbt`. A DuckDB output is offered: the file
that it names is written to, so that every other tool goes on reading it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.declare import shapes
from headgate.declare.document import Entry, Items, read
from headgate.declare.mistakes import Mistakes, nearest
from headgate.spec.errors import DeclarationError, Location, UsageError
from headgate.spec.project import LakeSpec

FILE = "profiles.yml"
DIRECTORY, PROFILE, TARGET = "DBT_PROFILES_DIR", "DBT_PROFILE", "DBT_TARGET"
"""Environment variables that dbt knows; the command's options set them."""
MEMORY = ".headgate/memory.duckdb"
"""What stands for `:memory:`: a table that is gone when the command ends could not be looked at, nor guarded."""
_ENGINE = ("threads", "memory_limit")
_SECRET_PREFIX = "DBT_ENV_SECRET"


@dataclass(frozen=True, slots=True)
class Target:
    """The chosen output: its name (the environment's), the schema, how many steps run at once, the lake, and what `target.*` says."""

    name: str
    profile: str
    schema: str
    threads: int
    lake: LakeSpec
    values: Mapping[str, Any]


def profile_file(root: str) -> Path:
    """Where the profile is, or would be."""
    folder = os.environ.get(DIRECTORY)
    if folder:
        return Path(folder).expanduser().resolve() / FILE
    own = Path(root, FILE)
    return own if own.is_file() else Path("~/.dbt").expanduser() / FILE


def read_target(
    root: str, declared: str | None, chosen: str, variables: Mapping[str, Any], seen: set[str], mistakes: Mistakes
) -> Target | None:
    """The output `chosen` (or the profile's own choice) of the project's profile; None when there is no profiles.yml.

    `declared` is the project's `profile:`. The environment variables asked for are added to `seen`. Raises UsageError for an unknown profile
    or output, DeclarationError for one that is not offered.
    """
    seen |= {DIRECTORY, PROFILE, TARGET}
    name, path = os.environ.get(PROFILE) or declared, profile_file(root)
    if not name or not path.is_file():
        return None
    shown = FILE if path.parent == Path(root) else str(path)
    try:
        entry = read(path.read_text(encoding="utf-8-sig"), shown, mistakes) or Entry(shown)
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(
            f"{path} cannot be read: {error}", todo="check the file's rights and that it is UTF-8", code="HG-D002"
        ) from None
    values = _Values(variables, seen, mistakes)
    profile = _named(entry, name, "profile", f"{path}", "name it under 'profile:' in dbt_project.yml, or with --profile")
    outputs = shapes.mapping(profile, "outputs", mistakes)
    wanted = chosen or os.environ.get(TARGET) or str(values.of(profile, "target") or "default")
    output = _named(outputs, wanted, "target", f"profile '{name}'", "name it with --target, or under 'target:' in the profile")
    return _target(root, name, wanted, output, values)


def _named(entry: Entry, name: str, what: str, where: str, todo: str) -> Entry:
    found = entry.get(name)
    if isinstance(found, Entry):
        return found
    known = [key for key in entry if key != "config"]
    near = nearest(name, known)
    raise UsageError(
        f"{where} has no {what} '{name}'",
        expected="one of " + (", ".join(known) or "none: it is empty"),
        todo=f"did you mean '{near}'?" if near else todo,
        code="HG-D019",
    )


def _target(root: str, profile: str, name: str, output: Entry, values: _Values) -> Target:
    kind = str(values.of(output, "type") or "")
    if kind != "duckdb":
        raise DeclarationError(
            f"{output.value_at('type')}: target '{name}' of profile '{profile}' is of type '{kind}', which is not offered yet: "
            "Headgate stages, gates and commits with its own engine",
            expected="type: duckdb",
            todo="add an output of type duckdb, or name a lake in a headgate.yml beside dbt_project.yml",
            code="HG-D019",
        )
    said = {key: values.of(output, key) for key in output}
    threads = said.get("threads")
    schema = str(said.get("schema") or "main")
    lake = _lake(root, said, output)
    known = {
        "type": kind,
        "schema": schema,
        "database": lake.name,
        "dbname": lake.name,
        "path": str(said.get("path") or ":memory:"),
    }
    plain = {k: v for k, v in said.items() if isinstance(v, str | int | float | bool) and "${" not in str(v)}
    return Target(
        name, profile, schema, int(threads) if isinstance(threads, int) else 1, lake,
        {**plain, **known, "threads": threads or 1, "name": name, "target_name": name, "profile_name": profile},
    )  # fmt: skip


def _lake(root: str, said: Mapping[str, Any], output: Entry) -> LakeSpec:
    """The DuckDB file as the lake, with the engine's settings."""
    path = str(said.get("path") or ":memory:")
    if path.startswith(("md:", "motherduck:")) or "://" in path:
        raise DeclarationError(
            f"{output.value_at('path')}: '{path}' is no file of this machine, which is not offered yet",
            expected="path: <file>.duckdb", code="HG-D019",
        )  # fmt: skip
    memory = path.startswith(":memory:")
    file = Path(root, MEMORY if memory else Path(path).expanduser())
    settings = dict(said.get("settings") or {})
    options = {key: settings.pop(key) for key in _ENGINE if key in settings}
    for key in ("attach", "extensions"):
        if said.get(key):
            options[key] = said[key]
    if settings:
        options["settings"] = settings
    return LakeSpec(
        f"duckdb:{os.path.normpath(file)}", os.path.normpath(Path(root, ".headgate/data")),
        str(said.get("database") or ("in_memory" if memory else file.stem)), options,
    )  # fmt: skip


class _Values:
    """Values of a profile, in which `{{ env_var(…) }}` and `{{ var(…) }}` are evaluated.

    A secret (`DBT_ENV_SECRET…`) becomes a reference that is looked up at the moment of connecting, so that it is kept nowhere.
    """

    def __init__(self, variables: Mapping[str, Any], seen: set[str], mistakes: Mistakes) -> None:
        self._variables, self._seen, self._mistakes = variables, seen, mistakes

    def of(self, entry: Entry, key: str) -> Any:
        """The value of `key`, as a plain one."""
        return self._evaluated(entry.get(key), entry.value_at(key))

    def _evaluated(self, value: Any, place: Location) -> Any:
        if isinstance(value, Entry):
            return {key: self.of(value, key) for key in value}
        if isinstance(value, Items):
            return [self._evaluated(item, value.at(index)) for index, item in enumerate(value)]
        if isinstance(value, str) and "{{" in value:
            return self._rendered(value, place)
        return value

    def _rendered(self, text: str, place: Location) -> Any:
        from headgate.declare.configs import native
        from headgate.declare.context import EnvVar, Var
        from headgate.declare.sandbox import Environment, TemplateFailed, render

        ordinary = EnvVar(self._seen)

        def env_var(name: str, default: Any = None) -> str:
            if name.startswith(_SECRET_PREFIX) and (name in os.environ or default is not None):
                return f"${{env:{name}}}" if name in os.environ else str(default)
            return ordinary(name, default)

        try:
            template = Environment().template(text, place.file)
            return native(render(template, {"env_var": env_var, "var": Var(self._variables, "")}, place.file))
        except TemplateFailed as error:
            self._mistakes.add(error.code, place, f"the template fails: {error.what}")
            return None
