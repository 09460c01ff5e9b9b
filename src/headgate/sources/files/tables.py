"""Formats that describe themselves: Parquet, Avro, ORC, Excel, Delta and Iceberg. Their types are taken as they are, but where others are
declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from headgate.ports.engine import Cursor
from headgate.ports.source import ArrowBatch, Batch, SqlBatch
from headgate.sources.files.listing import FoundFile
from headgate.sources.files.options import FileOptions
from headgate.spec.errors import DeclarationError, SourceBroken
from headgate.spec.exactness import changed
from headgate.spec.names import quote_ident, quote_literal

EXTENSIONS = {"avro": ("avro",), "excel": ("excel",), "delta": ("delta",), "iceberg": ("avro", "iceberg")}  # in this order
READERS = {"avro": "read_avro", "excel": "read_xlsx", "delta": "delta_scan", "iceberg": "iceberg_scan"}


class Unreadable(Exception):
    """`file` cannot be read at all, for `reason`."""

    def __init__(self, file: FoundFile, reason: str) -> None:
        super().__init__(reason)
        self.file, self.reason = file, reason


def unreadable(files: Sequence[FoundFile]) -> list[SqlBatch]:
    """A batch without rows that says which files cannot be read, and why."""
    if not files:
        return []
    letters = ", ".join(f"({quote_literal(f.unit.name)}, 0, {quote_literal(f.fault or '')}, '')" for f in files)
    return [
        SqlBatch(
            "SELECT 0 AS _unit_index WHERE false",
            dead_letters_sql=f"FROM (VALUES {letters})",
            units=tuple(f.unit for f in files),
            rows_expected=0,
            in_order=True,
        )
    ]


def apart(
    batch: SqlBatch, files: Sequence[FoundFile], select: Callable[[Sequence[FoundFile]], str], drop: Sequence[str],
    cursor: Cursor, dead: Callable[[Sequence[FoundFile]], str | None] | None = None,
) -> SqlBatch:  # fmt: skip
    """`batch` without those of its `files` that break the reader: each is read alone to tell, and they become dead letters of
    row 0. `select(files)` is what reads some of them, `dead(files)` their dead letters; `drop` is run before and after.
    """
    import duckdb

    broken, whole = [], []
    for file in files:
        for statement in drop:
            cursor.execute(statement)
        try:
            cursor.execute(f"SELECT bit_xor(hash(x)) FROM ({select([file])}) x").fetchall()
            whole.append(file)
        except duckdb.Error as error:
            broken.append(replace(file, fault=f"the reader gives up on it ({str(error).strip().splitlines()[0][:300]})"))
    for statement in drop:
        cursor.execute(statement)
    if not broken:
        return replace(batch, fallback=None)
    (letters,) = unreadable(broken)
    if not whole:
        return letters
    told = letters.dead_letters_sql
    letters_sql = f"{told} UNION ALL FROM ({dead(whole)})" if dead is not None else told
    units = tuple(f.unit for f in (*whole, *broken))  # an index of the select counts the whole ones
    return replace(batch, select=select(whole), dead_letters_sql=letters_sql, units=units, fallback=None)


def batches(
    files: Sequence[FoundFile], options: FileOptions, cursor: Cursor, load_extension: Callable[[str], None]
) -> Iterator[Batch]:
    """Parquet and Avro in one statement each, the others file by file."""
    for written in dict.fromkeys(f.format for f in files):
        these = [f for f in files if f.format == written]
        for extension in EXTENSIONS.get(written, ()):
            load_extension(extension)
        if written == "parquet":
            yield from _parquet(these, options, cursor)
        elif written == "orc":
            if options.types:
                raise DeclarationError(
                    f"types: cannot be given for ORC files such as '{these[0].unit.name}'",
                    expected="the types that the files have",
                    todo="take types: away and cast in a staging model",
                )
            yield from _orc(these)
        else:
            for file in these:
                yield from _single(file, options, cursor)


def _parquet(files: Sequence[FoundFile], options: FileOptions, cursor: Cursor) -> Iterator[Batch]:
    faults = {f.path: _parquet_fault(f.path, cursor) for f in files}
    yield from unreadable([replace(f, fault=faults[f.path]) for f in files if faults[f.path]])
    read = [f for f in files if not faults[f.path]]
    if not read:
        return
    groups = [read] if options.union_by_name else [[f] for f in read]
    for group in groups:
        fit = _fit(_parquet_reader(group), options, cursor)

        def select(some: Sequence[FoundFile], fit: Fit = fit) -> str:
            return (
                f"SELECT {fit.items}, {_unit(some)} AS _unit, file_row_number + 1 AS _seq FROM {_parquet_reader(some)}{fit.where}"
            )

        def dead(some: Sequence[FoundFile], fit: Fit = fit) -> str | None:
            return fit.dead_letters(_parquet_reader(some), _unit(some), "file_row_number + 1")

        yield _readable(group, select, dead, cursor)


@dataclass(frozen=True, slots=True)
class Fit:
    """How a relation's columns are taken: `items` of a SELECT, and the text that says what does not fit in a row ("": nothing
    can); `values` are the columns as they are.
    """

    items: str
    reasons: str
    values: str

    @property
    def where(self) -> str:
        """The rows that fit."""
        return f" WHERE {self.reasons} = ''" if self.reasons else ""

    def dead_letters(self, reader: str, unit: str, seq: str) -> str | None:
        """The rows that do not fit."""
        if not self.reasons:
            return None
        record = f"left(CAST(to_json(struct_pack({self.values})) AS VARCHAR), 65536)"
        told = f"SELECT {unit} AS unit, {seq} AS seq, {self.reasons} AS reason, {record} AS record FROM {reader}"
        return f"SELECT * FROM ({told}) WHERE reason <> ''"


def _fit(reader: str, options: FileOptions, cursor: Cursor) -> Fit:
    """The columns of `reader` with their declared types."""
    declared = {name.lower(): type_ for name, type_ in options.types.items()}
    cursor.execute(f"DESCRIBE SELECT * FROM {reader}")
    items, reasons, values = [], [], []
    for name, type_, *_ in cursor.fetchall():
        column, wanted = quote_ident(name), declared.get(name.lower())
        values.append(f"{column} := {column}")
        items.append(column if wanted is None else f"TRY_CAST({column} AS {wanted}) AS {column}")
        if wanted is not None and (bad := changed(type_, wanted, column)):
            said = quote_literal(f'the value of "{name}" does not fit {wanted} unchanged: ')
            reasons.append(f"CASE WHEN coalesce({bad}, false) THEN {said} || left(CAST({column} AS VARCHAR), 200) ELSE '' END")
    return Fit(", ".join(items), f"concat_ws('', {', '.join(reasons)})" if reasons else "", ", ".join(values))


def _readable(
    files: Sequence[FoundFile], select: Callable[[Sequence[FoundFile]], str], dead: Callable[[Sequence[FoundFile]], str | None],
    cursor: Cursor, in_order: bool = False,
) -> SqlBatch:  # fmt: skip
    """A batch that tells broken files apart when it fails."""
    units = tuple(f.unit for f in files)
    letters = dead(files)
    batch = SqlBatch(
        select(files), dead_letters_sql=letters, units=units, rows_expected=sum(u.size for u in units) // 20, in_order=in_order
    )
    return replace(batch, fallback=lambda: apart(batch, files, select, (), cursor, None if letters is None else dead))


def _parquet_reader(files: Sequence[FoundFile]) -> str:
    paths = ", ".join(quote_literal(f.path) for f in files)
    by_name = "true" if len(files) > 1 else "false"
    return f"read_parquet([{paths}], union_by_name = {by_name}, hive_partitioning = false)"


def _parquet_fault(path: str, cursor: Cursor) -> str | None:
    import duckdb

    try:
        cursor.execute(f"SELECT count(*) FROM parquet_file_metadata({quote_literal(path)})").fetchall()
    except duckdb.Error as error:
        return f"the file is no whole Parquet file ({str(error).strip().splitlines()[0]})"
    return None


def _unit(files: Sequence[FoundFile]) -> str:
    if len(files) == 1:
        return quote_literal(files[0].unit.name)
    return "[" + ", ".join(quote_literal(f.unit.name) for f in files) + "][CAST(file_index AS BIGINT) + 1]"


def _single(file: FoundFile, options: FileOptions, cursor: Cursor) -> Iterator[Batch]:
    import duckdb

    reader = f"{READERS[file.format]}({quote_literal(file.path)}{_excel(options) if file.format == 'excel' else ''})"
    try:
        fit = _fit(reader, options, cursor)
    except duckdb.Error as error:
        reason = f"the file is no whole {file.format} file ({str(error).strip().splitlines()[0]})"
        if file.format in ("delta", "iceberg"):
            raise SourceBroken(f"table '{file.unit.name}': {reason}", todo="check the path and the table's log") from error
        yield from unreadable([replace(file, fault=reason)])
        return
    read = f"SELECT {fit.items}, CAST(0 AS BIGINT) AS _unit_index FROM {reader}{fit.where}"
    letters = fit.dead_letters(reader, quote_literal(file.unit.name), "row_number() OVER ()")
    yield _readable([file], lambda some: read, lambda some: letters, cursor, in_order=True)


def _excel(options: FileOptions) -> str:
    text = f", header = {'true' if options.header else 'false'}"
    if options.sheet:
        text += f", sheet = {quote_literal(options.sheet)}"
    if options.range:
        text += f", range = {quote_literal(options.range)}"
    return text


def _orc(files: Sequence[FoundFile]) -> Iterator[Batch]:
    """Stripe by stripe, so that memory holds one stripe."""
    import pyarrow as pa
    from pyarrow import orc

    for file in files:
        try:
            reader = orc.ORCFile(file.path)
            stripes = reader.nstripes
        except (pa.ArrowException, OSError) as error:
            reason = f"the file is no whole ORC file ({str(error).splitlines()[0]})"
            yield from unreadable([replace(file, fault=reason)])
            continue
        if stripes == 0:
            yield ArrowBatch(reader.read().slice(0, 0), file.unit.name, units=(file.unit,))
        first = 1
        for i in range(stripes):
            try:
                stripe = reader.read_stripe(i)
            except (pa.ArrowException, OSError) as error:
                yield from unreadable([replace(file, fault=f"stripe {i + 1} cannot be read ({str(error).splitlines()[0]})")])
                break
            yield ArrowBatch(stripe, file.unit.name, first_seq=first, units=(file.unit,))
            first += stripe.num_rows
