"""Seeds: CSV files of the project, with dbt's type inference, done set-based in the engine.

A column is what all its values are: whole number, number, date, timestamp, true/false, else text. Empty and `null` are NULL.
"""

from __future__ import annotations

from pathlib import Path

from headgate.spec.names import Column, quote_ident, quote_literal
from headgate.spec.project import Node, Project
from headgate.spec.staged import REPLACE, RowCounts, Staged
from headgate.transform.job import Job

_INTEGER = r"^\s*[+-]?[0-9]+(_[0-9]+)*(\.0*)?\s*$"  # 2.0 is whole to dbt
_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
_DATE = r"^\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}\s*$"
_SPACED = r"^\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2} [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}\s*$"
_ISO = r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?\s*$"
_ZONED = r"(Z|[0-9][+-][0-9]{2}(:?[0-9]{2})?)\s*$"
_INTEGERS = (-(2**31), 2**31 - 1)


def build(job: Job) -> Staged:
    """Stage the seed's file. Raises DeclarationError when the file is missing or a declared type does not hold."""
    node = job.node
    path = file_of(node, job.project)
    if not path.is_file():
        raise job.mistake(f"its file {node.path} is missing", expected="a CSV file")
    delimiter = str(node.config.get("delimiter") or ",")
    text = job.scratch("text")
    job.run(
        f"CREATE OR REPLACE TABLE {text} AS SELECT * FROM read_csv({quote_literal(str(path))}, header = true, "
        f"all_varchar = true, "
        f"delim = {quote_literal(delimiter)}, quote = '\"', escape = '\"', null_padding = false, strict_mode = true)"
    )
    described = job.cursor.execute(f"SELECT * FROM {text} LIMIT 0").description
    columns = _columns(job, text, tuple(str(d[0]) for d in described))
    rows = job.stage("", f"SELECT {', '.join(_cast(c) for c in columns)} FROM {text}")
    counts = RowCounts(rows_in=rows.rows, rows_out=rows.rows)
    return job.staged(REPLACE, columns=rows.columns, rows_sql=rows.sql, files=rows.files, counts=counts)


def file_of(node: Node, project: Project) -> Path:
    """Where the file of a node lies: in the project, or in the folder of its package."""
    root = Path(project.root)
    direct = root / node.path
    if direct.is_file():
        return direct
    folder = root / str(project.options.get("packages-install-path", "dbt_packages")) / node.package
    return folder / node.path if (folder / node.path).is_file() else direct


def _columns(job: Job, text: str, found: tuple[str, ...]) -> tuple[Column, ...]:
    """The columns with their declared or inferred types; one scan decides for all."""
    declared = {str(k).lower(): str(v) for k, v in dict(job.node.config.get("column_types") or {}).items()}
    declared.update(
        {name.lower(): c.data_type for name, c in job.node.columns.items() if c.data_type and name.lower() not in declared}
    )
    unknown = set(dict(job.node.config.get("column_types") or {})) - set(found)
    unknown = {u for u in unknown if u.lower() not in {f.lower() for f in found}}
    if unknown and not job.project.dbt:  # dbt lets a folder's column_types name what only some of its seeds have
        raise job.mistake(
            f"column_types names {', '.join(sorted(unknown))}, which the file does not have",
            expected="columns among " + ", ".join(found),
        )
    open_columns = [c for c in found if c.lower() not in declared]
    inferred = {}
    if open_columns:
        kinds = job.one(f"SELECT {', '.join(_kind(c) for c in open_columns)} FROM {text}")
        inferred = dict(zip(open_columns, kinds, strict=True))
    return tuple(Column(c, declared.get(c.lower()) or str(inferred[c])) for c in found)


def _value(column: str) -> str:
    """A cell with dbt's NULLs made NULL."""
    quoted = quote_ident(column)
    return f"CASE WHEN lower(trim({quoted})) IN ('', 'null') THEN NULL ELSE {quoted} END"


def _kind(column: str) -> str:
    """An aggregate that names the type of a column of text."""
    value = _value(column)
    whole = f"coalesce(bool_and(regexp_matches({value}, {quote_literal(_INTEGER)})), true)"
    number_of = f"try_cast(trim({value}) AS DOUBLE)"
    small = f"coalesce(min({number_of}), 0) >= {_INTEGERS[0]} AND coalesce(max({number_of}), 0) <= {_INTEGERS[1]}"
    huge = f"count(*) FILTER (WHERE {value} IS NOT NULL AND try_cast(trim({value}) AS BIGINT) IS NULL) = 0"
    there = f"FILTER (WHERE {value} IS NOT NULL)"
    number = f"bool_and(regexp_matches({value}, {quote_literal(_NUMBER)}))"
    date = f"bool_and(regexp_matches({value}, {quote_literal(_DATE)}) AND try_cast(trim({value}) AS DATE) IS NOT NULL) {there}"
    at = " OR ".join(
        f"bool_and(regexp_matches({value}, {quote_literal(form)}) AND try_cast(trim({value}) AS TIMESTAMPTZ) IS NOT NULL) {there}"
        for form in (_SPACED, _ISO)  # one spelling for the whole column, as in dbt: a mixture is text
    )
    boolean = f"bool_and(lower(trim({value})) IN ('true', 'false'))"
    return (
        f"CASE WHEN {whole} AND {small} THEN 'INTEGER' WHEN {whole} AND {huge} THEN 'BIGINT' WHEN {number} THEN 'DOUBLE' "
        f"WHEN {date} THEN 'DATE' WHEN ({at}) THEN 'TIMESTAMP' WHEN {boolean} THEN 'BOOLEAN' ELSE 'VARCHAR' END"
    )


def _cast(column: Column) -> str:
    """The select expression that turns a cell into the column's type; text keeps its spaces, a zone is taken to UTC."""
    quoted, value = quote_ident(column.name), _value(column.name)
    kind = column.type.upper()
    if kind in ("VARCHAR", "TEXT", "STRING"):
        return f"{value} AS {quoted}"
    if kind == "TIMESTAMP":
        zoned = f"regexp_matches({value}, {quote_literal(_ZONED)})"
        in_utc = f"CAST({value} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
        return f"CASE WHEN {zoned} THEN {in_utc} ELSE CAST({value} AS TIMESTAMP) END AS {quoted}"
    return f"CAST(trim({value}) AS {column.type}) AS {quoted}"
