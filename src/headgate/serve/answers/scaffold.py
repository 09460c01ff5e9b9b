"""First versions of files that `headgate new` writes: complete enough to run, with owner and grain in place."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from pathlib import Path

from headgate.ports.plugins import manifests
from headgate.spec.errors import HeadgateError, UsageError

_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z][\w .-]*", re.ASCII)
_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "null", "y", "n"))  # of YAML's own
_LAYERS = {"stg": "staging", "int": "intermediate", "dim": "marts", "fct": "marts", "mart": "marts"}


def in_project(project: str) -> Path:
    """The project's folder. Raises UsageError when it holds none."""
    root = Path(project)
    if not any((root / name).is_file() for name in ("headgate.yml", "headgate.yaml", "dbt_project.yml")):
        raise UsageError(
            f"{root.resolve()} holds no project",
            expected="a file headgate.yml",
            todo="run: headgate init, or name the folder with --project",
            code="HG-D001",
        )
    return root


def check_name(what: str, name: str) -> None:
    """A name is the name of a file and a word in SQL. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be the name of a {what}", expected="letters, digits and underscores, beginning with a letter",
            todo=f"for example: headgate new {what} {re.sub(r'[^A-Za-z0-9]+', '_', name).strip('_') or what + '_one'}",
        )  # fmt: skip


def write(path: Path, text: str) -> Path:
    """Write a new file. Raises UsageError when it exists."""
    if path.exists():
        raise UsageError(f"{path} is already there", expected="a name that is free", todo="choose another name, or edit the file")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def source_file(name: str, connector: str, table: str, owner: str, key: str = "") -> str:
    """`sources/<name>.yml` with the connector's required options as lines to fill in. Raises UsageError for an unknown
    connector."""
    known = manifests("sources")
    if connector not in known:
        raise UsageError(
            f"there is no connector '{connector}'",
            expected="one of " + ", ".join(sorted(known)),
            todo="see them: docs/reference/connectors.md",
        )
    check_name("source", name)
    options = [o for o in known[connector].options if o.required]
    source_level = [f"    {o.name}: {_example(o.name, name)}  # {o.summary}" for o in options if o.level == "source"]
    table_level = [f"        {o.name}: {_example(o.name, table)}  # {o.summary}" for o in options if o.level != "source"]
    if connector in ("postgres", "mysql") and not any(o.name == "connection" for o in options):
        source_level.insert(0, f'    connection: "${{env:{name.upper()}_DSN}}"')
    lines = [
        "sources:",
        f"  - name: {name}",
        f"    owner: {_scalar(owner)}",
        f"    connector: {connector}",
        *source_level,
        "    tables:",
    ]
    columns = ", ".join(c.strip() for c in key.split(",") if c.strip())
    lines += [f"      - name: {table}", "        description: What one row is."]
    lines += [*([f"        primary_key: [{columns}]"] if columns else []), *table_level]
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """`text` as YAML holds it, quoted where it must be."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text, ensure_ascii=False)


def _example(option: str, name: str) -> str:
    return f"landing/{name}_*.csv" if option == "path" else f'"${{env:{name.upper()}_{option.upper()}}}"'


def model_files(name: str, reads: str, owner: str, grain: str, description: str) -> dict[str, str]:
    """The model's SQL and property file, by path relative to the project. `reads` is a model's name or `source.table`."""
    check_name("model", name)
    layer = _LAYERS.get(name.split("_", 1)[0], "marts")
    columns = [c.strip() for c in grain.split(",") if c.strip()]
    if not columns:
        raise UsageError(
            "the grain is empty",
            expected="the columns that make a row unique, comma-separated",
            todo="for example --grain order_id,line",
        )
    source, dot, table = reads.partition(".")
    relation = f"source('{source}', '{table}')" if dot else f"ref('{reads}')"
    sql = f"select\n    {', '.join(columns)}\nfrom {{{{ {relation} }}}}\n"
    lines = [
        "models:",
        f"  - name: {name}",
        f"    description: {_scalar(description)}",
        f"    config: {{ owner: {_scalar(owner)}, grain: [{', '.join(columns)}] }}",
    ]
    if len(columns) == 1:
        lines += ["    columns:", f"      - name: {columns[0]}", "        data_tests: [unique, not_null]"]
    else:
        lines += [
            "    data_tests:",
            f"      - unique_combination_of_columns: {{ combination_of_columns: [{', '.join(columns)}] }}",
        ]
        lines += ["    columns:", *(f"      - {{ name: {c}, data_tests: [not_null] }}" for c in columns)]
    return {f"models/{layer}/{name}.sql": sql, f"models/{layer}/{name}.yml": "\n".join(lines) + "\n"}


def check_file(name: str, model: str, condition: str) -> str:
    """A singular test over `model`: the rows for which `condition` is true break the promise."""
    check_name("check", name)
    return f"-- {name.replace('_', ' ')}: every row that this finds breaks the promise.\nselect *\nfrom {{{{ ref('{model}') }}}}\nwhere {condition}\n"


def must_exist(root: Path, name: str) -> None:
    """`name` is to be a model, or `source.table`, of the project in `root`, as far as that can be read. Raises UsageError."""
    from headgate.declare import load

    try:
        project = load(str(root), environment="dev").project
    except HeadgateError:
        return  # what is wrong with the project is told by `plan`
    known = {n.name for n in project.nodes.values()} | {f"{t.source}.{t.name}" for t in project.sources.values()}
    if name not in known:
        near = get_close_matches(name, known, n=3)
        raise UsageError(
            f"there is no '{name}' to read",
            expected="one of " + ", ".join(near or sorted(known)[:5]) if known else "a model, or source.table",
            todo="see the names: headgate ls; or declare it first: headgate new source NAME",
        )
