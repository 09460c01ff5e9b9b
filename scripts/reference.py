"""Generate docs/reference from the code: commands, options, connectors, checks, errors, events, tables. `--check` only compares."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "reference"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in row) + " |" for row in rows]
    return "\n".join(lines)


def commands() -> str:
    """Every command with its arguments and options."""
    import typer

    from headgate.serve.cli.app import whole

    parts = ["# Commands"]

    def walk(command: Any, path: str) -> None:
        if hasattr(command, "commands"):
            for name, inner in sorted(command.commands.items()):
                walk(inner, f"{path} {name}")
            return
        parts.append(f"\n## `{path}`\n\n{(command.help or '').strip()}\n")
        rows = []
        for p in command.params:
            if p.name == "help":
                continue
            names = (
                ", ".join(f"`{o}`" for o in (*p.opts, *p.secondary_opts))
                if p.param_type_name == "option"
                else f"`{p.name.upper()}`"
            )
            rows.append((names, getattr(p, "help", None) or ""))
        parts.append(table(("option", "meaning"), rows))

    walk(typer.main.get_command(whole()), "headgate")
    return "\n".join(parts)


def plugins(kind: str, title: str) -> str:
    """Connectors or checks with their options."""
    from headgate.ports.plugins import manifests

    parts = [f"# {title}"]
    for name, m in sorted(manifests(kind).items()):
        parts.append(
            f"\n## `{name}`\n\n{m.summary[0].upper()}{m.summary[1:]}."
            + (f" Extra: `headgate[{m.extra}]`." if m.extra else "")
            + "\n"
        )
        if m.options:
            parts.append(
                table(
                    ("option", "type", "required", "meaning"),
                    ((f"`{o.name}`", o.type, "yes" if o.required else "", o.summary) for o in m.options),
                )
            )
    return "\n".join(parts)


def errors() -> str:
    """The error classes with codes and exit codes, and all codes used."""
    from headgate.declare.mistakes import CODES
    from headgate.spec import errors as e

    classes = sorted(
        (c for c in vars(e).values() if isinstance(c, type) and issubclass(c, e.HeadgateError)), key=lambda c: c.code
    )
    exits = [
        (0, "done"), (1, "the project is wrong"), (2, "the call is wrong"), (3, "data was blocked by a gate"), (4, "the world failed: source, network, engine"),
        (5, "refused: policy, quota, lock"), (70, "a bug of ours"),
    ]  # fmt: skip
    parts = ["# Errors and exit codes\n", table(("exit code", "meaning"), exits), "\n## Families\n"]
    parts.append(
        table(
            ("class", "code", "exit", "meaning"),
            ((f"`{c.__name__}`", c.code, c.exit_code, (c.__doc__ or "").splitlines()[0]) for c in classes),
        )
    )
    parts.append("\n## Mistakes in a project\n")
    parts.append(table(("code", "meaning"), sorted((code, _text(meaning)) for code, meaning in CODES.items())))
    return "\n".join(parts)


def _text(meaning: Any) -> str:
    return meaning if isinstance(meaning, str) else " ".join(map(str, meaning))


def events() -> str:
    """The event kinds and the crash points."""
    from headgate.spec.crash import POINTS
    from headgate.spec.events import KINDS

    rows = ((f"`{k}`", v) for k, v in KINDS.items())
    points = "\n".join(f"- `{p}`" for p in POINTS)
    logs = (
        "Every event stands in the table `events` of the [state database](tables.md). With `HEADGATE_LOG=json` (or `text`) the command "
        "line also writes each as a line on standard error, with the same ids; `HEADGATE_LOG=json:warning` only those of what was blocked or failed, "
        "`json:debug` all of them."
    )
    crash = f"## Crash points\n\n`HEADGATE_CRASH_AT=<point>[:n]` kills the process there.\n\n{points}"
    return f"# Events\n\n{logs}\n\n{table(('kind', 'meaning'), rows)}\n\n{crash}"


def tables() -> str:
    """The ledger in the lake and the control tables."""
    from headgate.engines.duckdb.ledger import MEANINGS, TABLES
    from headgate.state.tables import METADATA

    parts = ["# Tables\n\n## In the lake: schema `headgate`\n"]
    parts.append(
        table(
            ("table", "meaning", "columns"), ((f"`{t}`", MEANINGS[t], f"`{re.sub(chr(34), '', c)}`") for t, c in TABLES.items())
        )
    )
    parts.append("\n## In the state database\n")
    for t in METADATA.sorted_tables:
        parts.append(f"\n### `{t.name}`\n\n{t.comment}\n")
        parts.append(table(("column", "meaning"), ((f"`{c.name}`", c.comment or "") for c in t.columns)))
    return "\n".join(parts)


def keys() -> str:
    """The keys of the project's files."""
    from headgate.declare import keys as k
    from headgate.declare import meanings as m

    ours = (
        ("headgate.yml", k.PROJECT_KEYS, m.PROJECT), ("`lake`", k.LAKE_KEYS, m.LAKE), ("`environments`, by name", k.ENVIRONMENT_KEYS, m.ENVIRONMENT),
        ("`prices`", k.PRICE_KEYS, m.PRICES), ("`quotas`", k.QUOTA_KEYS, m.QUOTAS), ("a source", k.SOURCE_KEYS, m.SOURCE),
        ("a table of a source", k.SOURCE_TABLE_KEYS, m.SOURCE_TABLE), ("config of a model, beside dbt's", sorted(k.OUR_CONFIG), m.MODEL),
    )  # fmt: skip
    dbts = (
        ("config of a model", sorted(k.MODEL_CONFIG - k.OUR_CONFIG)), ("config of a seed", sorted(k.SEED_CONFIG - k.MODEL_CONFIG)),
        ("config of a snapshot", sorted(k.SNAPSHOT_CONFIG - k.MODEL_CONFIG)), ("a model in a property file", k.MODEL_KEYS),
        ("a column", k.COLUMN_KEYS), ("config of a test", k.TEST_CONFIG),
    )  # fmt: skip
    parts = [
        "# Keys\n\nUnknown keys are errors with the nearest spelling.\n\nA dbt project needs no headgate.yml: without one, `dbt_project.yml` is "
        "read with dbt's lenience and dbt's schemas, and keys that Headgate does not know are kept. With both, headgate.yml decides and its rules "
        "hold, and what it leaves out of these keys is taken, each key whole, from `dbt_project.yml`: "
        + ", ".join(f"`{n}`" for n in k.SHARED_PROJECT_KEYS)
        + "."
    ]
    for where, names, meanings in ours:
        parts.append(f"\n\n## {where}\n\n" + table(("key", "meaning"), ((f"`{n}`", meanings[n]) for n in names)))
    parts.append("\n\n## As in dbt\n\nThese have dbt's meaning; a column may have a `classification`, a test `on_fail`.\n\n")
    parts.append(table(("where", "keys"), ((where, ", ".join(f"`{n}`" for n in names)) for where, names in dbts)))
    return "".join(parts)


def shapes() -> str:
    """What each command prints with `-o json`."""
    from headgate.serve.answers.shapes import SHAPES, keys_of, named, told

    def linked(shape: Any) -> str:
        text = told(shape)
        for name in {s.__name__ for s in named(shape)}:
            text = re.sub(rf"\b{name}\b", f"[{name}](#{name.lower()})", text)
        return text

    parts = [
        "# JSON\n\nWith `-o json` a command prints one value on standard output and its commentary on standard error. The shapes are stable: keys may "
        "be added, none is renamed or removed, all are always there. Moments are ISO 8601 text in UTC; decimals are text, so that no digit is "
        "lost, and so are numbers that JSON does not have (`nan`, `inf`). A call that fails prints nothing there; its [exit code](errors.md) says how.\n",
        table(("command", "prints"), ((f"`{name}`", " or ".join(map(linked, found))) for name, found in sorted(SHAPES.items()))),
    ]
    every = {s.__name__: s for found in SHAPES.values() for shape in found for s in named(shape)}
    for name, shape in sorted(every.items()):
        meaning = " ".join((shape.__doc__ or "").split())
        rows = ((f"`{key}`", linked(inner)) for key, inner in keys_of(shape).items())
        parts.append(f"\n## {name}\n\n{meaning}\n\n" + table(("key", "value"), rows))
    return "\n".join(parts)


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "connectors.md": lambda: plugins("sources", "Connectors"),
    "checks.md": lambda: plugins("checks", "Checks"),
    "errors.md": errors,
    "events.md": events,
    "tables.md": tables,
    "keys.md": keys,
    "json.md": shapes,
}


def main(check: bool) -> int:
    """Write the pages; with `check` return 1 when one of them would change."""
    TARGET.mkdir(parents=True, exist_ok=True)
    stale = []
    for name, page in PAGES.items():
        text = page().rstrip() + "\n"
        path = TARGET / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run: make docs\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
