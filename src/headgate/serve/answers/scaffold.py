"""First versions of files that `headgate new` writes: complete enough to run, with owner and grain in place."""

from __future__ import annotations

from pathlib import Path

from headgate.ports.plugins import manifests
from headgate.spec.errors import UsageError

_LAYERS = {"stg": "staging", "int": "intermediate", "dim": "marts", "fct": "marts", "mart": "marts"}


def write(path: Path, text: str) -> Path:
    """Write a new file. Raises UsageError when it exists."""
    if path.exists():
        raise UsageError(f"{path} is already there", todo="choose another name, or edit it")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def source_file(name: str, connector: str, table: str, owner: str) -> str:
    """`sources/<name>.yml` with the connector's required options as lines to fill in. Raises UsageError for an unknown
    connector."""
    known = manifests("sources")
    if connector not in known:
        raise UsageError(f"there is no connector '{connector}'", expected="one of " + ", ".join(sorted(known)))
    options = [o for o in known[connector].options if o.required]
    source_level = [f"    {o.name}: {_example(o.name, name)}  # {o.summary}" for o in options if o.level == "source"]
    table_level = [f"        {o.name}: {_example(o.name, table)}  # {o.summary}" for o in options if o.level != "source"]
    if connector in ("postgres", "mysql") and not any(o.name == "connection" for o in options):
        source_level.insert(0, f'    connection: "${{env:{name.upper()}_DSN}}"')
    lines = ["sources:", f"  - name: {name}", f"    owner: {owner}", f"    connector: {connector}", *source_level, "    tables:"]
    lines += [f"      - name: {table}", "        description: What one row is.", *table_level]
    return "\n".join(lines) + "\n"


def _example(option: str, name: str) -> str:
    return f"landing/{name}_*.csv" if option == "path" else f'"${{env:{name.upper()}_{option.upper()}}}"'


def model_files(name: str, reads: str, owner: str, grain: str, description: str) -> dict[str, str]:
    """The model's SQL and property file, by path relative to the project. `reads` is a model's name or `source.table`."""
    layer = _LAYERS.get(name.split("_", 1)[0], "marts")
    columns = [c.strip() for c in grain.split(",") if c.strip()]
    if not columns:
        raise UsageError("the grain is empty", expected="the columns that make a row unique, comma-separated")
    source, dot, table = reads.partition(".")
    relation = f"source('{source}', '{table}')" if dot else f"ref('{reads}')"
    sql = f"select\n    {', '.join(columns)}\nfrom {{{{ {relation} }}}}\n"
    lines = [
        "models:",
        f"  - name: {name}",
        f"    description: {description}",
        f"    config: {{ owner: {owner}, grain: [{', '.join(columns)}] }}",
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
    return f"-- {name.replace('_', ' ')}: every row that this finds breaks the promise.\nselect *\nfrom {{{{ ref('{model}') }}}}\nwhere {condition}\n"
