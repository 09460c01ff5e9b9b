"""JSON: newline-delimited files at the engine's full speed, documents and damaged files line by line.

The quick way reads with fixed types and fails on the first misfit. Then the slow way is taken: every line as text, parsed in
sets; a line that is no JSON object, or has a value that does not fit its column, becomes a dead letter, the others are rows.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from headgate.ports.engine import Cursor
from headgate.ports.source import SqlBatch
from headgate.sources.files import keys, tables
from headgate.sources.files.listing import FoundFile
from headgate.sources.files.options import FileOptions
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.positions import Unit
from headgate.spec.schema_rules import canonical, common_type, struct_fields

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
    with _open(file) as stream:
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
        return _slow(files, {"value": "JSON"}, staging) if has_bytes else _nothing(units)
    paths = ", ".join(quote_literal(f.path) for f in files)
    objects = _objects(quote_literal(str(sample)), "none") if whole else _objects(paths, files[0].compression)
    columns, complete = _complete(columns, objects, sample, options, known, cursor)
    if not complete:
        return _slow(files, columns, staging)
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
        fallback=lambda: _slow(files, columns, staging),
    )


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
            with _open(max(files, key=lambda f: f.unit.size)) as stream:
                out.write(stream.readline(OBJECT_MAX).removeprefix(b"\xef\xbb\xbf"))
    return whole


def _write_pieces(file: FoundFile, out: BinaryIO) -> bool:
    """Lines of one file; whether these are all."""
    with _open(file) as stream:
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


def _open(file: FoundFile) -> BinaryIO:
    if file.compression == "gzip":
        return cast(BinaryIO, gzip.open(file.path, "rb"))
    return Path(file.path).open("rb")


def _infer(sample: Path, options: FileOptions, known: Mapping[str, str], cursor: Cursor) -> dict[str, str]:
    """Column types by the sample, the declaration and the table; empty when the sample holds no object."""
    import duckdb

    declared = {k: canonical(v) for k, v in options.types.items()}
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
    """Columns for all keys there are, and whether that succeeded: keys that differ in case alone, or are empty, cannot all be
    columns.
    """
    import duckdb

    for _ in range(ROUNDS_MAX):
        try:
            more = keys.unseen(objects, columns, cursor)
        except duckdb.Error:  # such as an object of more than 16 MB
            return columns, False
        if not more:
            wider = {n: t for n, t in keys.rounded(objects, columns, cursor).items() if n not in options.types}
            return {**columns, **wider}, True
        with sample.open("a", encoding="utf-8") as out:
            out.writelines(text.replace("\n", " ") + "\n" for text in more)
        again = _infer(sample, options, known, cursor)
        if again == columns:
            return columns, False
        columns = again
    return columns, False


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
        if name in declared:
            settled[name] = declared[name]
        elif stands is None:
            settled[name] = type_
        else:
            settled[name] = stands if "JSON" in (stands, type_) else common_type(stands, type_) or stands
    settled.update({n: t for n, t in known.items() if n.lower() not in taken})
    return settled


# -- the slow way
# -----------------------------------------------------------------------------------------------------------------------


def _slow(files: Sequence[FoundFile], columns: Mapping[str, str], staging: str) -> SqlBatch:
    target = Path(staging) / f"lines-{_token(files)}.parquet"
    _write_lines(files, target, staging)
    return _from_lines(f"read_parquet({quote_literal(str(target))})", tuple(f.unit for f in files), columns)


def _write_lines(files: Sequence[FoundFile], target: Path, staging: str) -> None:
    """Every line that is not blank as (unit, seq, line, fault), seq being the line's number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("unit", pa.string()), ("seq", pa.int64()), ("line", pa.string()), ("fault", pa.string())])
    with pq.ParquetWriter(str(target), schema) as writer:
        for file in files:
            for first, block in _blocks(file):
                numbered = [(n, line) for n, line in enumerate(block, first) if line.strip()]
                texts = [line.rstrip(b"\r").decode("utf-8", "replace") for _, line in numbered]
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
    with _open(file) as stream:
        while block := stream.read(BLOCK):
            *lines, rest = (rest + block).split(b"\n")
            if number == 1 and lines and lines[0].startswith(b"\xef\xbb\xbf"):
                lines[0] = lines[0][3:]
            yield number, lines
            number += len(lines)
    if rest:
        yield number, [rest.removeprefix(b"\xef\xbb\xbf") if number == 1 else rest]


def _from_lines(lines: str, units: tuple[Unit, ...], columns: Mapping[str, str]) -> SqlBatch:
    structure = "{" + ", ".join(f"{_json_text(n)}: {_structure(t)}" for n, t in columns.items()) + "}"
    good = "CASE WHEN json_valid(line) THEN line END"
    parsed = (
        f"SELECT unit, seq, line, fault, json_valid(line) AS ok, try_cast({good} AS JSON) AS json, "
        f"TRY(json_transform(CASE WHEN json_type({good}) = 'OBJECT' THEN line END, {quote_literal(structure)})) AS v "
        f"FROM {lines}"
    )
    misfits = "".join(
        f" WHEN {path_bad} THEN {quote_literal(f'the value of {label} does not fit {type_}')}"
        for name, type_top in columns.items()
        for label, type_, path_bad in _leaves([name], type_top)
    )
    judged = (
        "SELECT unit, seq, line, v, CASE WHEN seq = 0 THEN 'the file is no JSON document, or has no list where records: says' "
        "WHEN fault IS NOT NULL THEN fault WHEN NOT ok THEN 'the line is no valid JSON' "
        f"WHEN json_type(json) <> 'OBJECT' THEN 'the line is JSON, but no object'{misfits} "
        f"WHEN {keys.other_keys(columns)} THEN 'the line has a key that cannot be a column: it is empty, or another in other letters' "
        f"END AS reason FROM ({parsed})"
    )
    names = ", ".join(f"struct_extract(v, {quote_literal(n)}) AS {quote_ident(n)}" for n in columns)
    return SqlBatch(
        f"SELECT {names}, unit AS _unit, seq AS _seq FROM ({judged}) WHERE reason IS NULL",
        dead_letters_sql=f"SELECT unit, seq, reason, left(line, 65536) FROM ({judged}) WHERE reason IS NOT NULL ORDER BY 1, 2",
        units=units,
    )


def _leaves(path: list[str], type_: str) -> Iterator[tuple[str, str, str]]:
    """(label, type, predicate) of every scalar below `path`: the document has a value there, the row has none."""
    fields = struct_fields(type_)
    pointer = quote_literal("/" + "/".join(p.replace("~", "~0").replace("/", "~1") for p in path))
    value = "v"
    for part in path:
        value = f"struct_extract({value}, {quote_literal(part)})"
    yield ".".join(path), type_, f"(coalesce(json_type(json, {pointer}), 'NULL') <> 'NULL' AND {value} IS NULL)"
    for field in fields or ():
        yield from _leaves([*path, field.name], field.type)


def _structure(type_: str) -> str:
    fields = struct_fields(type_)
    if fields is not None:
        return "{" + ", ".join(f"{_json_text(f.name)}: {_structure(f.type)}" for f in fields) + "}"
    if type_.endswith("[]"):
        return f"[{_structure(type_[:-2])}]"
    return _json_text(type_)


def _json_text(text: str) -> str:
    import json

    return json.dumps(text)


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
    longest = _write_records(files, options.records, target)
    records = (
        f"read_json({quote_literal(str(target))}, format = 'newline_delimited', maximum_object_size = {max(longest, PIECE) + PIECE}, "
        "columns = {unit: 'VARCHAR', seq: 'BIGINT', line: 'VARCHAR', fault: 'VARCHAR'})"
    )
    sample = Path(staging) / f"sample-{_token(files)}.ndjson"
    cursor.execute(f"SELECT line FROM {records} LIMIT {max(options.sample_rows, 1) * 4}")
    with sample.open("w", encoding="utf-8") as out:
        out.writelines(row[0].replace("\n", " ") + "\n" for row in cursor.fetchall())
    columns = _infer(sample, options, known, cursor)
    if columns:
        objects = f"SELECT TRY_CAST(line AS JSON) AS json FROM {records} WHERE json_valid(line)"
        columns, _ = _complete(columns, objects, sample, options, known, cursor)
    return _from_lines(records, units, columns or dict(known) or {"value": "JSON"})


def _write_records(files: Sequence[FoundFile], records: str | None, target: Path) -> int:
    """Every record as an object of unit, seq and line; returns the bytes of the longest."""
    import json

    longest = 0
    with target.open("wb") as out:
        for file in files:
            with _open(file) as stream:
                raw = stream.read()
            try:
                text = raw.decode(json.detect_encoding(raw)).removeprefix("\ufeff")
                lines = [_text(r) for r in _records(json.loads(text), records)] if text.strip() else []
                first = 1
            except (ValueError, KeyError, TypeError, IndexError, RecursionError):
                # One dead letter of seq 0 stands for the whole unit: it is no document, or has no list where `records` says.
                lines, first = [raw[:65536].decode("utf-8", "replace")], 0
            for seq, line in enumerate(lines, first):
                record = json.dumps({"unit": file.unit.name, "seq": seq, "line": line}).encode()
                longest = max(longest, len(record))
                out.write(record + b"\n")
    return longest


def _text(record: object) -> str:
    import json

    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character, which only an escape can say
        return json.dumps(record)
    return text


def _records(document: object, records: str | None) -> list[object]:
    for part in (records or "").split("."):
        if part and isinstance(document, dict):
            document = document[part]
        elif part and isinstance(document, list):
            document = document[int(part)]
        elif part:
            raise KeyError(part)
    if records and not isinstance(document, list):
        raise TypeError("no list")
    return document if isinstance(document, list) else [document]
