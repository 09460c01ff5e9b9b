"""JSON: newline-delimited files at the engine's full speed, documents and damaged files line by line.

The quick way reads with fixed types and fails on the first misfit. Then the slow way is taken: every line as text, parsed in
sets; a line that is no JSON object, or has a value that does not fit its column, becomes a dead letter, the others are rows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from headgate.ports.engine import Cursor
from headgate.ports.source import SqlBatch
from headgate.sources.files import jsondoubts, keys, records, tables
from headgate.sources.files.lines import from_lines
from headgate.sources.files.listing import FoundFile
from headgate.sources.files.options import FileOptions
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.positions import Unit
from headgate.spec.schema_rules import canonical, common_type

PIECE = 1 << 20  # bytes per looked-at piece of a file
PIECES = 6  # of one file: from its head to its tail
SAMPLE_MAX = 48 << 20
ROW_BYTES = 150
BLOCK = 8 << 20
OBJECT_MAX = 64 << 20
HUGE = re.compile(r"\b(HUGEINT|UBIGINT|UHUGEINT)\b")
LONG_INTEGER = re.compile(rb"\d{19}")
NOT_UTF8 = "the line is no UTF-8 text"
DEPTH_MAX = 32  # what is nested deeper is JSON within its column
DEEP = 10_000
DEEP_ENDS = (b"]" * DEEP, b"}" * DEEP, b"}]" * (DEEP // 2))
ROUNDS_MAX = 6  # looks at new keys, which may have keys below them


def batches(
    files: Sequence[FoundFile], options: FileOptions, known: Mapping[str, str], cursor: Cursor, staging: str
) -> list[SqlBatch]:
    """One batch for all newline-delimited files, one for all documents."""
    Path(staging).mkdir(parents=True, exist_ok=True)
    deep = {f.path for f in files if f.format == "ndjson" and _too_deep(f)}
    lines = [f for f in files if f.format == "ndjson" and f.path not in deep]
    documents = [f for f in files if f.format == "json"]
    made = tables.unreadable([replace(f, fault="it is nested more than 10,000 levels deep") for f in files if f.path in deep])
    if lines:
        made += [_quick(g, options, known, cursor, staging) for g in _by_packing(lines)]
    if documents:
        made.append(_documents(documents, options, known, cursor, staging))
    return made


def _too_deep(file: FoundFile) -> bool:
    """Whether nesting ends that would be too deep for the engine, whose reader dies of some ten thousand levels."""
    rest = b""
    with records.opened(file) as stream:
        while block := stream.read(BLOCK):
            edge = rest + block[:DEEP]
            if any(run in block or run in edge for run in DEEP_ENDS):
                return True
            rest = block[-DEEP:]
    return False


def _by_packing(files: Sequence[FoundFile]) -> list[list[FoundFile]]:
    return [[f for f in files if f.compression == p] for p in dict.fromkeys(f.compression for f in files)]


def _token(files: Sequence[FoundFile]) -> str:
    return hashlib.sha256("".join(f.unit.name + f.unit.content_hash for f in files).encode()).hexdigest()[:12]


def _nothing(units: tuple[Unit, ...]) -> SqlBatch:
    return SqlBatch("SELECT 0 AS _unit_index WHERE false", units=units, rows_expected=0, in_order=True)


def _quick(files: list[FoundFile], options: FileOptions, known: Mapping[str, str], cursor: Cursor, staging: str) -> SqlBatch:
    units = tuple(f.unit for f in files)
    sample = Path(staging) / f"sample-{_token(files)}.ndjson"
    whole = _write_sample(files, sample)
    columns = _infer(sample, options, known, cursor)
    if not columns:
        has_bytes = any(f.unit.size for f in files)
        return _slow(files, {"value": "JSON"}, options, staging) if has_bytes else _nothing(units)
    paths = ", ".join(quote_literal(f.path) for f in files)
    objects = _objects(quote_literal(str(sample)), "none") if whole else _objects(paths, files[0].compression)
    columns, complete = _complete(columns, objects, sample, options, known, cursor)
    if not complete:
        return _slow(files, columns, options, staging)
    arguments = {
        "format": "'newline_delimited'",
        "columns": "{" + ", ".join(f"{quote_literal(n)}: {quote_literal(t)}" for n, t in columns.items()) + "}",
        **_formats(options),
    }
    if files[0].compression != "none":
        arguments["compression"] = quote_literal(files[0].compression)
    names = ", ".join(quote_ident(c) for c in columns)
    text = ", ".join(f"{k} = {v}" for k, v in arguments.items())
    return SqlBatch(
        f"SELECT {names}, file_index AS _unit_index FROM read_json([{paths}], {text})",
        units=units,
        rows_expected=sum(u.size for u in units) // ROW_BYTES * (1 if files[0].compression == "none" else 6),
        in_order=True,
        fallback=lambda: _slow(files, columns, options, staging),
    )


def _patterns(options: FileOptions) -> tuple[str | None, str | None]:
    return options.date_format, options.timestamp_format


def _formats(options: FileOptions) -> dict[str, str]:
    given = (("dateformat", options.date_format), ("timestampformat", options.timestamp_format))
    return {name: quote_literal(value) for name, value in given if value}


# -- looking
# ----------------------------------------------------------------------------------------------------------------------------


def _write_sample(files: Sequence[FoundFile], target: Path) -> bool:
    """Whole lines from head, middle and tail of the files, as many as `SAMPLE_MAX` allows; of packed files the head. Tells
    whether these are all lines.
    """
    most = sum(min(f.unit.size, PIECE * PIECES) for f in files)
    step = max(1, -(-most // SAMPLE_MAX))
    whole = step == 1
    with target.open("wb") as out:
        for file in files[::step]:
            whole &= _write_pieces(file, out)
        if out.tell() == 0 and files:  # lines longer than a piece
            with records.opened(max(files, key=lambda f: f.unit.size)) as stream:
                out.write(stream.readline(OBJECT_MAX).removeprefix(b"\xef\xbb\xbf"))
    return whole


def _write_pieces(file: FoundFile, out: BinaryIO) -> bool:
    """Lines of one file; whether these are all."""
    with records.opened(file) as stream:
        if file.compression != "none" or file.unit.size <= PIECE * PIECES:
            head = stream.read(PIECE * PIECES + 1)
            whole = len(head) <= PIECE * PIECES
            out.write(_whole_lines(head, first=True, last=whole))
            out.write(b"\n")
            return whole
        for i in range(PIECES):
            stream.seek((file.unit.size - PIECE) * i // (PIECES - 1))
            if lines := _whole_lines(stream.read(PIECE), first=i == 0, last=i == PIECES - 1):
                out.write(lines)
                out.write(b"\n")
    return False


def _whole_lines(piece: bytes, *, first: bool, last: bool) -> bytes:
    """The piece without the parts of lines at its ends. A single line longer than the piece yields nothing."""
    piece = piece.removeprefix(b"\xef\xbb\xbf") if first else piece.partition(b"\n")[2]
    return piece if last else piece.rpartition(b"\n")[0]


def _infer(sample: Path, options: FileOptions, known: Mapping[str, str], cursor: Cursor) -> dict[str, str]:
    """Column types by the sample, the declaration and the table; empty when the sample holds no object."""
    import duckdb

    declared = {k.lower(): canonical(v) for k, v in options.types.items()}
    seen: dict[str, str] = {}
    for path, lenient in ((sample, ""), (None, ""), (None, ", ignore_errors = true")):
        clean = path or _clean(sample)
        if clean.stat().st_size <= PIECES:
            continue
        try:
            cursor.execute(
                f"DESCRIBE SELECT * FROM read_json({quote_literal(str(clean))}, format = 'newline_delimited', sample_size = -1, "
                f"map_inference_threshold = -1, field_appearance_threshold = 0, maximum_object_size = {OBJECT_MAX}, maximum_depth = {DEPTH_MAX}"
                + "".join(f", {k} = {v}" for k, v in _formats(options).items())
                + f"{lenient})"
            )
        except duckdb.Error:
            continue  # a damaged line among the looked-at ones: look again without those
        seen = {row[0]: row[1] for row in cursor.fetchall()}
        if seen != {"json": "JSON"}:
            break
        seen = {}
    if not seen:
        return {}
    return _settle(_sharpen(_as_long(seen, clean), clean, cursor), declared, known)


def _as_long(seen: Mapping[str, str], sample: Path) -> dict[str, str]:
    """Negative beside positive whole numbers are seen as HUGEINT: they are BIGINT where none has 19 digits."""
    if any(HUGE.search(t) for t in seen.values()) and not LONG_INTEGER.search(sample.read_bytes()):
        return {n: HUGE.sub("BIGINT", t) for n, t in seen.items()}
    return dict(seen)


def _objects(paths: str, compression: str) -> str:
    """A SELECT of every line that is JSON."""
    packed = "" if compression == "none" else f", compression = {quote_literal(compression)}"
    return f"SELECT json FROM read_ndjson_objects([{paths}], ignore_errors = true{packed})"


def _complete(
    columns: dict[str, str], objects: str, sample: Path, options: FileOptions, known: Mapping[str, str], cursor: Cursor
) -> tuple[dict[str, str], bool]:
    """Columns for all keys and values there are, and whether the quick way keeps them: keys that differ in case alone, or are
    empty, cannot all be columns; one key twice in an object has one place; a declared type may not hold every value.
    """
    import duckdb

    for _ in range(ROUNDS_MAX):
        try:
            more, twice = keys.unseen(objects, columns, cursor)
        except duckdb.Error:  # such as an object of more than 16 MB
            return columns, False
        if not more:
            declared, standing = {n.lower() for n in options.types}, {n.lower() for n in known}
            columns, doubtful = jsondoubts.settled(objects, columns, declared, standing, _patterns(options), cursor)
            return columns, not (doubtful or twice or (bool(records.exact(options)) and _has_long_reals(objects, cursor)))
        with sample.open("a", encoding="utf-8") as out:
            out.writelines(text.replace("\n", " ") + "\n" for text in more)
        again = _infer(sample, options, known, cursor)
        if again == columns:
            return columns, False
        columns = again
    return columns, False


def _has_long_reals(objects: str, cursor: Cursor) -> bool:
    """Whether any object has a number with more digits than the engine's reader keeps."""
    cursor.execute(
        f"SELECT 1 FROM ({objects}) WHERE regexp_matches(CAST(json AS VARCHAR), {quote_literal(records.LONG)}) LIMIT 1"
    )
    return cursor.fetchone() is not None


def _clean(sample: Path) -> Path:
    """The sample without the lines that are no objects."""
    import json

    target = sample.with_suffix(".clean.ndjson")
    with sample.open("rb") as lines, target.open("wb") as out:
        for line in lines:
            try:
                if isinstance(json.loads(line), dict):
                    out.write(line)
            except (ValueError, RecursionError):
                continue
    return target


def _sharpen(seen: Mapping[str, str], sample: Path, cursor: Cursor) -> dict[str, str]:
    """Whole numbers beyond 64 bits are seen as DOUBLE, moments with a zone as TIMESTAMP: say what they are."""
    looks, asked = [], []
    for name, type_ in seen.items():
        if type_ == "DOUBLE":
            looks.append(f"bool_and(regexp_full_match({quote_ident(name)}, '-?[0-9]+')), max(length({quote_ident(name)}))")
        elif type_ == "TIMESTAMP":
            looks.append(f"bool_and(regexp_matches({quote_ident(name)}, '(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$')), 0")
        else:
            continue
        asked.append(name)
    result = {n: ("DECIMAL(38,0)" if t in ("HUGEINT", "UBIGINT") else t) for n, t in seen.items()}
    if not asked:
        return result
    columns = ", ".join(f"{quote_literal(n)}: 'VARCHAR'" for n in asked)
    cursor.execute(
        f"SELECT {', '.join(looks)} FROM read_json({quote_literal(str(sample))}, format = 'newline_delimited', "
        f"columns = {{{columns}}}, maximum_object_size = {OBJECT_MAX})"
    )
    row = cursor.fetchone() or ()
    for i, name in enumerate(asked):
        every, longest = row[2 * i], row[2 * i + 1]
        if every and seen[name] == "TIMESTAMP":
            result[name] = "TIMESTAMP WITH TIME ZONE"
        elif every and longest and longest > 15:
            result[name] = "DECIMAL(38,0)" if longest <= 38 else "VARCHAR"
    return result


def _settle(seen: Mapping[str, str], declared: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Declared types win, then the table's unless what was seen is wider. Columns of the table that were not seen may still
    come.
    """
    names = {n.lower(): n for n in known}
    settled: dict[str, str] = {}
    taken: set[str] = set()
    for name, type_ in seen.items():
        if name.lower() in taken:
            continue
        taken.add(name.lower())
        stands = known.get(names.get(name.lower(), ""))
        if name.lower() in declared:
            settled[name] = declared[name.lower()]
        elif stands is None:
            settled[name] = type_
        else:
            settled[name] = stands if "JSON" in (stands, type_) else common_type(stands, type_) or stands
    settled.update({n: t for n, t in known.items() if n.lower() not in taken})
    return settled


# -- the slow way
# -----------------------------------------------------------------------------------------------------------------------


def _slow(files: Sequence[FoundFile], columns: Mapping[str, str], options: FileOptions, staging: str) -> SqlBatch:
    target = Path(staging) / f"lines-{_token(files)}.parquet"
    _write_lines(files, target, records.exact(options))
    units, lines = tuple(f.unit for f in files), f"read_parquet({quote_literal(str(target))})"
    return from_lines(lines, units, columns, _patterns(options))


def _write_lines(files: Sequence[FoundFile], target: Path, exact: frozenset[str]) -> None:
    """Every line that is not blank as (unit, seq, line, fault), seq being the line's number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("unit", pa.string()), ("seq", pa.int64()), ("line", pa.string()), ("fault", pa.string())])
    with pq.ParquetWriter(str(target), schema) as writer:
        for file in files:
            for first, block in _blocks(file):
                numbered = [(n, line) for n, line in enumerate(block, first) if line.strip()]
                texts = [line.rstrip(b"\r").decode("utf-8", "replace") for _, line in numbered]
                texts = [records.with_digits(text, exact) for text in texts] if exact else texts
                faults = [
                    NOT_UTF8 if "\ufffd" in t and not _is_utf8(n[1]) else None for t, n in zip(texts, numbered, strict=True)
                ]
                columns = [[file.unit.name] * len(numbered), [n for n, _ in numbered], texts, faults]
                writer.write_table(pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _blocks(file: FoundFile) -> Iterator[tuple[int, list[bytes]]]:
    number, rest = 1, b""
    with records.opened(file) as stream:
        while block := stream.read(BLOCK):
            *lines, rest = (rest + block).split(b"\n")
            if number == 1 and lines and lines[0].startswith(b"\xef\xbb\xbf"):
                lines[0] = lines[0][3:]
            yield number, lines
            number += len(lines)
    if rest:
        yield number, [rest.removeprefix(b"\xef\xbb\xbf") if number == 1 else rest]


# -- documents
# --------------------------------------------------------------------------------------------------------------------------


def _documents(
    files: Sequence[FoundFile], options: FileOptions, known: Mapping[str, str], cursor: Cursor, staging: str
) -> SqlBatch:
    """Documents become lines, one for each record of the list that `records` names (without it: of the top list, or the
    document).
    """
    units = tuple(f.unit for f in files)
    target = Path(staging) / f"lines-{_token(files)}.ndjson"
    longest = records.write(files, options, target)
    listed = (
        f"read_json({quote_literal(str(target))}, format = 'newline_delimited', maximum_object_size = {max(longest, PIECE) + PIECE}, "
        "columns = {unit: 'VARCHAR', seq: 'BIGINT', line: 'VARCHAR', fault: 'VARCHAR'})"
    )
    sample = Path(staging) / f"sample-{_token(files)}.ndjson"
    cursor.execute(f"SELECT line FROM {listed} LIMIT {max(options.sample_rows, 1) * 4}")
    with sample.open("w", encoding="utf-8") as out:
        out.writelines(row[0].replace("\n", " ") + "\n" for row in cursor.fetchall())
    columns = _infer(sample, options, known, cursor)
    if columns:
        objects = f"SELECT TRY_CAST(line AS JSON) AS json FROM {listed} WHERE json_valid(line)"
        columns, _ = _complete(columns, objects, sample, options, known, cursor)
    return from_lines(listed, units, columns or dict(known) or {"value": "JSON"}, _patterns(options))
