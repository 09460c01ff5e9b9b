"""CSV and TSV: one statement for all files of one header, types inferred on samples, malformed lines set aside by the engine."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from headgate.ports.engine import Cursor
from headgate.ports.source import Batch, SqlBatch
from headgate.sources.files import tables
from headgate.sources.files.doubts import Look, common_arguments, text_of
from headgate.sources.files.listing import FoundFile
from headgate.sources.files.options import FileOptions
from headgate.spec.exactness import converted, misfit
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.schema_rules import canonical, common_type

TRIED_TYPES = {  # type -> predicate over {c} that holds for every value of it; a cast alone would round and cut
    "BIGINT": "regexp_full_match({c}, '[-+]?(0|[1-9][0-9]{{0,17}})')",
    "DOUBLE": "regexp_full_match({c}, '[-+]?(0|[1-9][0-9]{{0,14}})([.][0-9]+)?([eE][-+]?[0-9]+)?')",
    "BOOLEAN": "lower({c}) IN ('true', 'false')",
    "DATE": "length({c}) = 10 AND TRY_CAST({c} AS DATE) IS NOT NULL",
    "TIMESTAMP WITH TIME ZONE": "regexp_matches({c}, ':[0-9.]+ ?(Z|[-+][0-9:]+)$') AND TRY_CAST({c} AS TIMESTAMPTZ) IS NOT NULL",
    "TIMESTAMP": "length({c}) > 10 AND TRY_CAST({c} AS TIMESTAMP) IS NOT NULL",
}
DELIMITERS = (",", "\t", ";", "|")
SHAPE = b",\t;|\r\x00"
SNIFFED_FILES = 8  # of one header: the first, the last and some between are looked at
ROW_BYTES = 60  # a guess, to choose where rows are staged


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a sniff found out about files of one header."""

    delimiter: str
    columns: Mapping[str, str]
    date_format: str | None
    timestamp_format: str | None
    doubtful: frozenset[str] = frozenset()  # columns with values that the reader would change: they are read as text


def batches(files: Sequence[FoundFile], options: FileOptions, known: Mapping[str, str], cursor: Cursor) -> list[Batch]:
    """One batch for each header (and line ending, and packing) among `files`."""
    groups: dict[tuple[bytes, str, str], list[FoundFile]] = {}
    for file in files:
        groups.setdefault((_header(file, options), file.compression, file.format), []).append(file)
    return [batch for group in groups.values() for batch in _group(group, options, known, cursor)]


def _header(file: FoundFile, options: FileOptions) -> bytes:
    """The header line with its line ending: files that share it are read in one statement. Without headers, the shape of the
    first line.
    """
    if not file.head:
        return b"" if file.unit.size == 0 else file.path.encode()
    line, newline, _ = file.head.partition(b"\n")
    return line + newline if options.header else bytes(c for c in line if c in SHAPE) + newline


def _group(files: list[FoundFile], options: FileOptions, known: Mapping[str, str], cursor: Cursor) -> list[Batch]:
    """The files of one header, those that are no text of one shape told apart."""
    broken: list[FoundFile] = []
    while True:
        try:
            dialect = _sniff(files, options, known, cursor)
            break
        except tables.Unreadable as error:
            broken.append(replace(error.file, fault=error.reason))
            files = [f for f in files if f is not error.file]
    return [*tables.unreadable(broken), *([_batch(files, options, dialect, cursor)] if files else [])]


def _batch(files: list[FoundFile], options: FileOptions, dialect: Dialect | None, cursor: Cursor) -> SqlBatch:
    units = tuple(f.unit for f in files)
    if dialect is None:  # nothing but empty files
        return SqlBatch("SELECT 0 AS _unit_index WHERE false", units=units, rows_expected=0, in_order=True)
    token = hashlib.sha256("".join(u.name + u.content_hash for u in units).encode()).hexdigest()[:12]
    errors, scans = f"_rejects_{token}", f"_scans_{token}"

    def reader(some: Sequence[FoundFile]) -> str:
        kept = {"store_rejects": "true", "rejects_table": quote_literal(errors), "rejects_scan": quote_literal(scans)}
        return _reader(some, options, dialect, kept)

    taken, reasons = _taken(dialect)

    def select(some: Sequence[FoundFile]) -> str:
        return f"SELECT {taken}, file_index AS _unit_index FROM {reader(some)}" + (f" WHERE {reasons} = ''" if reasons else "")

    def letters(some: Sequence[FoundFile]) -> str:
        changed = _changed(some, options, dialect, reasons, (errors, scans), cursor) if reasons else []
        return " UNION ALL ".join(f"({part})" for part in (_dead_letters(some, errors, scans), *changed))

    drop = (f"DROP TABLE IF EXISTS {quote_ident(errors)}", f"DROP TABLE IF EXISTS {quote_ident(scans)}")
    batch = SqlBatch(
        select(files),
        setup=drop,
        teardown=drop,
        dead_letters_sql=letters(files),
        units=units,
        rows_expected=sum(u.size for u in units) // ROW_BYTES * (1 if files[0].compression == "none" else 4),
        in_order=True,
    )

    def apart() -> SqlBatch:
        return tables.apart(batch, files, select, drop, cursor, letters)

    return replace(batch, fallback=apart)


def _taken(dialect: Dialect) -> tuple[str, str]:
    """The columns as they are selected, and the reasons against a row: empty text where there are none ("": never any)."""
    formats = (dialect.date_format, dialect.timestamp_format)
    items, reasons = [], []
    for name, type_ in dialect.columns.items():
        column = quote_ident(name)
        if name not in dialect.doubtful:
            items.append(column)
            continue
        text = text_of(name, type_)
        items.append(f"{converted(type_, text, formats)} AS {column}")
        said = quote_literal(f'the value of "{name}" does not fit {type_} unchanged: ')
        bad = f"({column} IS NOT NULL AND {text} IS NULL) OR coalesce({misfit(type_, text, formats)}, false)"
        reasons.append(f"CASE WHEN {bad} THEN {said} || left({column}, 200) ELSE '' END")
    return ", ".join(items), "concat_ws('', " + ", ".join(reasons) + ")" if reasons else ""


def _reader(files: Sequence[FoundFile], options: FileOptions, dialect: Dialect, rejects: Mapping[str, str]) -> str:
    """The files as rows; `rejects` are the arguments that say what becomes of malformed lines."""
    types = {n: "VARCHAR" if n in dialect.doubtful else t for n, t in dialect.columns.items()}
    columns = ", ".join(f"{quote_literal(n)}: {quote_literal(t)}" for n, t in types.items())
    head = next((f.head for f in files if f.head), b"")
    arguments = {
        "auto_detect": "false",
        "columns": "{" + columns + "}",
        "delim": quote_literal(dialect.delimiter),
        **common_arguments(options),
        **rejects,
    }
    if head.partition(b"\n")[0].endswith(b"\r") and options.encoding == "utf-8":  # further down it may stand within quotes
        arguments["new_line"] = r"'\r\n'"
    if dialect.date_format:
        arguments["dateformat"] = quote_literal(dialect.date_format)
    if dialect.timestamp_format:
        arguments["timestampformat"] = quote_literal(dialect.timestamp_format)
    if files[0].compression != "none":
        arguments["compression"] = quote_literal(files[0].compression)
    paths = ", ".join(quote_literal(f.path) for f in files)
    return f"read_csv([{paths}], " + ", ".join(f"{k} = {v}" for k, v in arguments.items()) + ")"


def _sniff(files: Sequence[FoundFile], options: FileOptions, known: Mapping[str, str], cursor: Cursor) -> Dialect | None:
    looked = [f for f in files if f.unit.size > 0]
    if not looked:
        return None
    step = max(1, len(looked) // SNIFFED_FILES)
    some = {f.path: f for f in [*looked[::step][:SNIFFED_FILES], looked[-1]]}.values()
    sniffs = [_sniff_one(f, options, cursor) for f in some]
    delimiter, columns, date_format, timestamp_format, _ = sniffs[0]
    for _, more, other_date, other_timestamp, has_rows in sniffs[1:]:
        if has_rows:
            columns = {n: _merge(t, more.get(n, t)) for n, t in columns.items()} if sniffs[0][4] else more
            date_format, timestamp_format = date_format or other_date, timestamp_format or other_timestamp
    settled = _settle_types(columns, options, known)
    whole = len(looked) == len(some) and sum(f.unit.size for f in looked) <= 2 * options.sample_rows and not known
    look = Look(looked, settled, options, known, delimiter, (date_format, timestamp_format))
    look = replace(look, columns={**settled, **look.exact_integers(next(iter(some)), cursor)})
    settled, doubtful = look.judged(cursor, declared_alone=whole and looked[0].compression == "none")
    return Dialect(delimiter, settled, date_format, timestamp_format, doubtful)


Sniffed = tuple[str, dict[str, str], str | None, str | None, bool]


def _sniff_one(file: FoundFile, options: FileOptions, cursor: Cursor) -> Sniffed:
    import duckdb

    arguments = {**common_arguments(options), "sample_size": str(options.sample_rows)}
    delimiter = options.delimiter or ("\t" if file.format == "tsv" else _delimiter(file, options))
    if delimiter:
        arguments["delim"] = quote_literal(delimiter)
    for name, value in (("dateformat", options.date_format), ("timestampformat", options.timestamp_format)):
        if value:
            arguments[name] = quote_literal(value)
    if file.compression != "none":
        arguments["compression"] = quote_literal(file.compression)
    text = ", ".join(f"{k} = {v}" for k, v in arguments.items())
    for extra in ("", ", ignore_errors = true", ", ignore_errors = true, strict_mode = false, null_padding = true"):
        try:
            cursor.execute(
                "SELECT Delimiter, Columns, DateFormat, TimestampFormat "
                f"FROM sniff_csv({quote_literal(file.path)}, {text}{extra})"
            )
        except duckdb.Error as error:
            problem = error
            continue
        row = cursor.fetchone()
        assert row is not None
        columns = {c["name"]: canonical(c["type"]) for c in row[1]}
        if any("\0" in name for name in columns):
            raise tables.Unreadable(file, "its header holds zero bytes: set encoding: (utf-16, perhaps)")
        has_rows = not file.head or file.head.count(b"\n") > 1 or not file.head.endswith(b"\n")
        return row[0], columns, row[2] or options.date_format, row[3] or options.timestamp_format, has_rows
    if delimiter and file.head:
        try:
            return _look_leniently(file, options, delimiter, cursor)
        except duckdb.Error as error:
            problem = error
    reason = f"it is no {file.format} text of one shape: set delimiter:, quote:, encoding: or header: ({_first_line(problem)})"
    raise tables.Unreadable(file, reason) from problem


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]


def _look_leniently(file: FoundFile, options: FileOptions, delimiter: str, cursor: Cursor) -> Sniffed:
    """What a file too damaged for the engine's own look has: the header's names, and the types that all values have."""
    names = _header_names(file, options, delimiter)
    arguments = {**common_arguments(options), "delim": quote_literal(delimiter), "auto_detect": "false", "ignore_errors": "true"}
    arguments["columns"] = "{" + ", ".join(f"{quote_literal(n)}: 'VARCHAR'" for n in names) + "}"
    if file.compression != "none":
        arguments["compression"] = quote_literal(file.compression)
    text = ", ".join(f"{k} = {v}" for k, v in arguments.items())
    looks = []
    for name in names:
        column = quote_ident(name)
        fits = ", ".join(f"count(*) FILTER ({p.format(c=column)})" for p in TRIED_TYPES.values())
        looks.append(f"[count({column}), {fits}]")
    sample = f"(FROM read_csv({quote_literal(file.path)}, {text}) LIMIT {options.sample_rows})"
    cursor.execute(f"SELECT {', '.join(looks)} FROM {sample}")
    row = cursor.fetchone() or ()
    columns = {}
    for name, (values, *fitting) in zip(names, row, strict=True):
        fitted = [t for t, n in zip(TRIED_TYPES, fitting, strict=True) if n == values and values]
        columns[name] = fitted[0] if fitted else "VARCHAR"
    return delimiter, columns, options.date_format, options.timestamp_format, any(counts[0] for counts in row)


def _header_names(file: FoundFile, options: FileOptions, delimiter: str) -> list[str]:
    text = file.head.decode(options.encoding, "replace").lstrip("\ufeff")
    line = text.splitlines()[options.skip]
    cells = next(csv.reader([line], delimiter=delimiter, quotechar=options.quote or None))
    if not options.header:
        return [f"column{i}" for i in range(len(cells))]
    names: list[str] = []
    for i, cell in enumerate(cells):
        name = cell or f"column{i}"
        names.append(name if name not in names else f"{name}_{sum(n == name or n.startswith(name + '_') for n in names)}")
    return names


def _delimiter(file: FoundFile, options: FileOptions) -> str | None:
    """The delimiter by the header line: a damaged line further down must not change it. None: not looked at, or no header."""
    if not file.head or not options.header:
        return None
    try:
        text = file.head.decode(options.encoding, "ignore")
    except LookupError:
        return None  # an encoding of the engine's alone
    lines = text.lstrip("\ufeff").splitlines()
    line = lines[options.skip] if len(lines) > options.skip else ""
    outside = "".join(line.split(options.quote)[::2]) if options.quote else line
    counts = {d: outside.count(d) for d in DELIMITERS}
    best = max(counts, key=lambda d: counts[d])
    return best if counts[best] else None


def _merge(one: str, other: str) -> str:
    return common_type(one, other) or "VARCHAR"


def _settle_types(columns: Mapping[str, str], options: FileOptions, known: Mapping[str, str]) -> dict[str, str]:
    """Declared types win, then the table's, unless what was seen is wider: then the table will be widened."""
    declared = {k.lower(): v for k, v in options.types.items()}
    standing = {k.lower(): v for k, v in known.items()}
    settled = {}
    for name, seen in columns.items():
        stands = standing.get(name.lower())
        if name.lower() in declared:
            settled[name] = declared[name.lower()]
        elif stands is None:
            settled[name] = seen
        else:
            # Text is what a column of NULLs or of broken values looks like too: the table's type is tried, misfits become
            # dead letters.
            settled[name] = stands if seen == "VARCHAR" else common_type(stands, seen) or stands
    return settled


def _dead_letters(files: Sequence[FoundFile], errors: str, scans: str) -> str:
    names = ", ".join(f"({quote_literal(f.path)}, {quote_literal(f.unit.name)})" for f in files)
    return (
        "SELECT coalesce(u.unit, s.file_path) AS unit, e.line AS seq, "
        "string_agg(DISTINCT e.error_message, '; ') AS reason, left(any_value(e.csv_line), 65536) AS record "
        f"FROM {quote_ident(errors)} e JOIN {quote_ident(scans)} s USING (scan_id, file_id) "
        f"LEFT JOIN (VALUES {names}) u(path, unit) ON u.path = s.file_path GROUP BY ALL ORDER BY 1, 2"
    ).replace("GROUP BY ALL", "GROUP BY 1, 2")


def _changed(
    files: Sequence[FoundFile], options: FileOptions, dialect: Dialect, reasons: str, rejects: tuple[str, str], cursor: Cursor
) -> list[str]:
    """The rows with `reasons` against them as dead letters, a SELECT for each file that has any. The reader counts lines for
    those that it rejects itself alone: a row's line is its number among the others, and as many more as were rejected before it.
    """
    import duckdb

    quiet = {"ignore_errors": "true"}
    try:
        cursor.execute(f"SELECT DISTINCT file_index FROM {_reader(files, options, dialect, quiet)} WHERE {reasons} <> ''")
        found = [files[int(row[0])] for row in sorted(cursor.fetchall())]
    except duckdb.Error:  # one that the reader gives up on: it is told apart when it is read
        return []
    errors, scans = rejects
    return [
        f"WITH r AS MATERIALIZED (SELECT line - row_number() OVER (ORDER BY line) AS before FROM (SELECT DISTINCT e.line "
        f"FROM {quote_ident(errors)} e JOIN {quote_ident(scans)} s USING (scan_id, file_id) "
        f"WHERE s.file_path = {quote_literal(f.path)})), rows AS (SELECT row_number() OVER () + {int(options.header)} AS line, "
        f"{reasons} AS reason, {_record(dialect)} AS record FROM {_reader([f], options, dialect, {**quiet, 'parallel': 'false'})}) "
        f"SELECT {quote_literal(f.unit.name)}, line + (SELECT count(*) FROM r WHERE before < line), reason, left(record, 65536) "
        "FROM rows WHERE reason <> ''"
        for f in found
    ]


def _record(dialect: Dialect) -> str:
    """A row as a line again."""
    special = quote_literal('["\\r\\n' + ("\\" if dialect.delimiter in "|" else "") + dialect.delimiter + "]")
    values = []
    for name in dialect.columns:
        text = f"CAST({quote_ident(name)} AS VARCHAR)"
        quoted = f"'\"' || replace({text}, '\"', '\"\"') || '\"'"
        values.append(f"coalesce(CASE WHEN regexp_matches({text}, {special}) THEN {quoted} ELSE {text} END, '')")
    return f"concat_ws({quote_literal(dialect.delimiter)}, {', '.join(values)})"
