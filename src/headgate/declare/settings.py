"""`headgate.yml` (or, in a dbt project, `dbt_project.yml`) read into one frozen value. Beside each other headgate.yml decides, and what it
leaves out of what both know (the name, the paths, vars, folder configs) is dbt_project.yml's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from headgate.declare import keys, shapes
from headgate.declare.document import Entry, read
from headgate.declare.mistakes import Mistakes, nearest
from headgate.declare.profiles import Target, read_target
from headgate.spec.errors import DeclarationError, UsageError
from headgate.spec.project import LakeSpec, PriceBook

PROVIDERS = ("env", "file", "vault", "keyring", "aws", "gcp", "azure")
DBT_FILE = "dbt_project.yml"
RETENTION_DAYS_MIN = 0.05
"""Ten times as long as one read takes at most (LAKE.md 12)."""
AUDIT_COLUMNS = ("_loaded_at", "_dbt_loaded_at", "_headgate_*")


@dataclass(frozen=True, slots=True)
class Settings:
    """The project's own settings for one environment. Paths under `folders` are relative to `root`, `lake` and `state` absolute.

    `dbt` is true for a project that has `dbt_project.yml` only: unknown keys are kept there, and dbt's schema rules hold.
    """

    name: str
    root: str
    file: str
    environment: str
    dbt: bool
    schema: str
    schema_prefix: str
    lake: LakeSpec
    state: str
    secrets: tuple[str, ...]
    variables: Mapping[str, Any]
    folders: Mapping[str, tuple[str, ...]]
    configs: Mapping[str, Entry]  # "models" | "seeds" | "snapshots" | "tests" | "sources" | "exposures"
    prices: PriceBook
    quotas: Mapping[str, float]
    publish_groups: Entry
    audit_columns: tuple[str, ...]
    dispatch: tuple[tuple[str, tuple[str, ...]], ...]
    dead_letters_max: float
    layers: tuple[str, ...]
    target: Target | None = None  # the output of a dbt project's profile
    env_vars: frozenset[str] = frozenset()  # those that the profile depends on
    options: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)  # variables of the call: they win over all that files say


def read_settings(root: str, environment: str, variables: Mapping[str, Any], mistakes: Mistakes) -> Settings:
    """The settings of the project in `root` for `environment` ("": its own choice).

    Raises UsageError when there is no project or the environment is unknown.
    """
    name = next((n for n in ("headgate.yml", "headgate.yaml", DBT_FILE) if Path(root, n).is_file()), None)
    if name is None:
        raise UsageError(
            f"{root} holds no project",
            expected="a file headgate.yml",
            todo="run: headgate init, or name the folder with --project",
            code="HG-D001",
        )
    entry = _document(root, name, mistakes)
    dbt = name == DBT_FILE
    if not dbt and Path(root, DBT_FILE).is_file():
        entry.fill(_document(root, DBT_FILE, mistakes), keys.SHARED_PROJECT_KEYS)
    project = shapes.required_name(entry, "the project", mistakes) or "project"
    seen: set[str] = set()
    declared = shapes.text(entry, "profile", mistakes) if dbt else None
    target = read_target(root, declared, environment, variables, seen, mistakes) if dbt else None
    environment = target.name if target is not None else environment or "dev"
    chosen = Entry(entry.file) if target is not None else _environment(entry, environment, mistakes)
    secrets = _secrets(entry, mistakes)
    for key in ("lake", "state", "alerts"):
        if key in entry:
            shapes.secrets(entry[key], entry.value_at(key), secrets, mistakes)
    return Settings(
        name=project,
        root=root,
        file=name,
        environment=environment,
        dbt=dbt,
        schema=target.schema if target is not None else shapes.text(chosen, "schema", mistakes, "main") or "main",
        schema_prefix=shapes.text(chosen, "schema_prefix", mistakes, "") or "",
        lake=target.lake if target is not None else _lake(entry, chosen, root, mistakes),
        state=_state(entry, chosen, root, mistakes),
        secrets=secrets,
        variables={
            **shapes.plain(shapes.mapping(entry, "vars", mistakes)),
            **shapes.plain(shapes.mapping(chosen, "vars", mistakes)),
            **variables,
        },
        folders=_folders(entry, mistakes),
        configs={key: shapes.mapping(entry, key, mistakes) for key in keys.CONFIGURED}
        | {"tests": shapes.mapping(entry, "data_tests" if "data_tests" in entry else "tests", mistakes)},
        prices=_prices(entry, mistakes),
        quotas=_quotas(entry, mistakes),
        publish_groups=shapes.mapping(entry, "publish_groups", mistakes),
        audit_columns=shapes.texts(entry, "audit_columns", mistakes) or AUDIT_COLUMNS,
        dispatch=_dispatch(entry, mistakes),
        dead_letters_max=shapes.number(entry, "dead_letters_max", mistakes, 0.0) or 0.0,
        layers=shapes.texts(entry, "layers", mistakes) or (() if dbt else keys.LAYERS),
        target=target,
        env_vars=frozenset(seen),
        options=({"threads": target.threads} if target is not None else {}) | _options(entry, chosen, mistakes),
    )


def _document(root: str, name: str, mistakes: Mistakes) -> Entry:
    """One of the project's own files; what it holds beyond the known keys is a mistake, in dbt's file a notice."""
    entry = read(_text(root, name), name, mistakes) or Entry(name)
    dbt = name == DBT_FILE
    also = keys.DBT_PROJECT_KEYS if dbt else ()
    shapes.known_keys(entry, keys.PROJECT_KEYS, name, mistakes, also=also, severity="notice" if dbt else "error")
    return entry


def _text(root: str, name: str) -> str:
    try:
        return Path(root, name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(
            f"{name} cannot be read: {error}", todo="check the file's rights and that it is UTF-8", code="HG-D002"
        ) from None


def _environment(entry: Entry, environment: str, mistakes: Mistakes) -> Entry:
    """The mapping of the chosen environment. `dev` and `prod` need not be declared."""
    declared = shapes.mapping(entry, "environments", mistakes)
    for name in declared:
        if isinstance(declared[name], Entry):
            shapes.known_keys(declared[name], keys.ENVIRONMENT_KEYS, f"environment '{name}'", mistakes)
        elif declared[name] is not None:
            shapes.wrong_type(declared, name, "a mapping", mistakes)
    if environment in declared:
        chosen = declared[environment]
        return chosen if isinstance(chosen, Entry) else Entry(entry.file, declared.places(environment)[1])
    if environment in ("dev", "prod"):
        return Entry(entry.file)
    near = nearest(environment, [*declared, "dev", "prod"])
    raise UsageError(
        f"there is no environment '{environment}'",
        expected="one of " + ", ".join(dict.fromkeys([*declared, "dev", "prod"])),
        todo=f"did you mean '{near}'?" if near else f"declare it under 'environments:' in {entry.file}",
    )


def _secrets(entry: Entry, mistakes: Mistakes) -> tuple[str, ...]:
    found = shapes.texts(entry, "secrets", mistakes)
    for index, name in enumerate(found):
        shapes.one_of(name, PROVIDERS, "secrets", shapes.item_at(entry, "secrets", index), mistakes)
    return tuple(name for name in found if name in PROVIDERS) or ("env", "file")


def _lake(entry: Entry, chosen: Entry, root: str, mistakes: Mistakes) -> LakeSpec:
    holder = chosen if "lake" in chosen else entry
    lake = shapes.mapping(holder, "lake", mistakes)
    shapes.known_keys(lake, keys.LAKE_KEYS, "'lake'", mistakes)
    catalog = shapes.text(lake, "catalog", mistakes, "sqlite:.headgate/catalog.sqlite") or ""
    scheme, _, path = catalog.partition(":")
    if scheme in ("sqlite", "duckdb"):
        catalog = f"{scheme}:{_absolute(root, path.removeprefix('//'))}"
    elif not catalog.startswith(("postgresql://", "postgres://", "postgres:", "postgresql:", "${")):
        mistakes.add(
            "HG-D015",
            lake.value_at("catalog"),
            f"'catalog' is '{catalog}'",
            expected="sqlite:<path>, postgresql://… or duckdb:<path>",
        )
    data = shapes.text(lake, "data", mistakes, ".headgate/data") or ""
    return LakeSpec(
        catalog=catalog,
        data=data if "://" in data or data.startswith("${") else _absolute(root, data),
        name=shapes.text(lake, "name", mistakes) or (Path(catalog).stem if scheme == "duckdb" else "lake"),
        options=shapes.plain(shapes.mapping(lake, "options", mistakes)),
    )


def _state(entry: Entry, chosen: Entry, root: str, mistakes: Mistakes) -> str:
    holder = chosen if "state" in chosen else entry
    url = shapes.text(holder, "state", mistakes, "sqlite:///.headgate/state.db") or ""
    if url.startswith("sqlite:///"):
        return "sqlite:///" + _absolute(root, url.removeprefix("sqlite:///"))
    if not url.startswith(("postgresql", "postgres", "${")):
        mistakes.add("HG-D015", holder.value_at("state"), f"'state' is '{url}'", expected="sqlite:///<path> or postgresql://…")
    return url


def _absolute(root: str, path: str) -> str:
    return os.path.normpath(Path(root, Path(path).expanduser()))


def _folders(entry: Entry, mistakes: Mistakes) -> dict[str, tuple[str, ...]]:
    found = {
        key: tuple(PurePosixPath(p).as_posix().strip("/") for p in shapes.texts(entry, key, mistakes)) or default
        for key, default in keys.PATH_DEFAULTS.items()
    }
    for key, old in keys.OLD_PATHS.items() if entry.file == DBT_FILE else ():
        if key not in entry and old in entry:
            found[key] = tuple(p.strip("/") for p in shapes.texts(entry, old, mistakes))
            mistakes.add(
                "HG-D013",
                entry.at(old),
                f"'{old}' is dbt's old name of '{key}': it is read as that",
                suggestion=key,
                severity="notice",
            )
    found["packages-install-path"] = (shapes.text(entry, "packages-install-path", mistakes, "dbt_packages") or "dbt_packages",)
    for key, paths in found.items():
        for path in paths:
            if Path(path).is_absolute() or ".." in Path(path).parts:
                mistakes.add("HG-D015", entry.value_at(key), f"'{key}' names '{path}'", expected="a folder inside the project")
    return found


def _prices(entry: Entry, mistakes: Mistakes) -> PriceBook:
    prices = shapes.mapping(entry, "prices", mistakes)
    shapes.known_keys(prices, keys.PRICE_KEYS, "'prices'", mistakes)
    cpu_hour, written = (shapes.number(prices, key, mistakes, 0.0) or 0.0 for key in keys.PRICE_KEYS[:2])
    return PriceBook(cpu_hour, written, shapes.text(prices, "currency", mistakes, "USD") or "USD")


def _quotas(entry: Entry, mistakes: Mistakes) -> dict[str, float]:
    quotas = shapes.mapping(entry, "quotas", mistakes)
    shapes.known_keys(quotas, keys.QUOTA_KEYS, "'quotas'", mistakes)
    found = {key: shapes.number(quotas, key, mistakes) for key in keys.QUOTA_KEYS if key in quotas}
    return {key: value for key, value in found.items() if value is not None}


def _dispatch(entry: Entry, mistakes: Mistakes) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(
        (shapes.text(item, "macro_namespace", mistakes, "") or "", shapes.texts(item, "search_order", mistakes))
        for item in shapes.entries(entry, "dispatch", mistakes)
    )


def _options(entry: Entry, chosen: Entry, mistakes: Mistakes) -> dict[str, Any]:
    """What has no field of its own: alerts, hooks, threads, retention."""
    shapes.number(entry, "threads", mistakes)
    retention = shapes.number(entry, "retention", mistakes)
    if retention is not None and retention < RETENTION_DAYS_MIN:
        expected = f"{RETENTION_DAYS_MIN} days or more, so that open readers keep what they read"
        shapes.wrong_type(entry, "retention", expected, mistakes)
    kept = ("alerts", "threads", "retention", "query-comment", "target-path", "clean-targets")
    found = {key: shapes.plain(entry[key]) for key in kept if key in entry}
    found |= {key: shapes.plain(chosen[key]) for key in ("alerts", "threads") if key in chosen}
    for key in ("on-run-start", "on-run-end"):
        if key in entry:
            found[key] = list(shapes.texts(entry, key, mistakes))
    return found
