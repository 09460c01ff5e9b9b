"""JSON documents as records, by Python's own parser: what a record says twice, or in more digits than a binary number has, stays."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from headgate.sources.files.listing import FoundFile
from headgate.sources.files.options import FileOptions
from headgate.spec.schema_rules import canonical

LONG = r"[0-9]\.[0-9]{15}|[0-9]{15}\.[0-9]"  # more digits than every binary number of eight bytes keeps
_LONG = re.compile(LONG)
_INFINITE = float("inf")


class Real(float):
    """A number with the digits that it was written with."""

    digits = ""


class Twice(dict[str, object]):
    """An object in whose text one key stands twice."""

    pairs: Sequence[tuple[str, object]] = ()


def opened(file: FoundFile) -> BinaryIO:
    """The file's bytes, unpacked."""
    if file.compression == "gzip":
        return cast(BinaryIO, gzip.open(file.path, "rb"))
    return Path(file.path).open("rb")


def exact(options: FileOptions) -> frozenset[str]:
    """The names, in lower case, of columns whose declared types keep every digit."""
    kinds = {name.lower(): canonical(type_) for name, type_ in options.types.items()}
    return frozenset(n for n, kind in kinds.items() if kind == "VARCHAR" or kind.startswith("DECIMAL"))


def with_digits(line: str, names: frozenset[str]) -> str:
    """The line with numbers of many digits as text where they stand in columns `names`; as it is when there are none."""
    if not _LONG.search(line):
        return line
    try:
        record, twice = _parsed(line)
    except (ValueError, RecursionError):
        return line
    return text_of(record, names, twice) if isinstance(record, dict) else line


def write(files: Sequence[FoundFile], options: FileOptions, target: Path) -> int:
    """Every record of the documents as an object of unit, seq and line in file `target`; returns the bytes of the longest."""
    longest, names = 0, exact(options)
    with target.open("wb") as out:
        for file in files:
            with opened(file) as stream:
                raw = stream.read()
            try:
                text = raw.decode(json.detect_encoding(raw)).removeprefix("\ufeff")
                document, twice = _parsed(text) if text.strip() else ([], False)
                lines = [text_of(r, names, twice) for r in _records(document, options.records)] if text.strip() else []
                first = 1
            except (ValueError, KeyError, TypeError, IndexError, RecursionError):
                # One dead letter of seq 0 stands for the whole unit: it is no document, or has no list where `records` says.
                lines, first = [raw[:65536].decode("utf-8", "replace")], 0
            for seq, line in enumerate(lines, first):
                record = json.dumps({"unit": file.unit.name, "seq": seq, "line": line}).encode()
                longest = max(longest, len(record))
                out.write(record + b"\n")
    return longest


def text_of(record: object, names: frozenset[str], twice: bool) -> str:
    """A record as a line. `twice`: it may have an object with one key twice."""
    if names and isinstance(record, dict) and not isinstance(record, Twice):
        record = {key: _digits(value) if key.lower() in names else value for key, value in record.items()}
    if twice and _has_twice(record):
        return _with_pairs(record)
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character, which only an escape can say
        return json.dumps(record)
    return text


def _parsed(text: str) -> tuple[object, bool]:
    """The document, and whether one key stands twice in any of its objects."""
    doubles: list[Twice] = []

    def kept(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        double = Twice(found)
        double.pairs = pairs
        doubles.append(double)
        return double

    return json.loads(text, object_pairs_hook=kept, parse_float=_real), bool(doubles)


def _real(digits: str) -> object:
    """A number; as text where it is too large for a binary one."""
    number: float = float(digits)
    if abs(number) == _INFINITE:
        return digits
    if len(digits) > 16:
        real = Real(number)
        real.digits = digits
        return real
    return number


def _digits(value: object) -> object:
    if isinstance(value, Real):
        return value.digits
    return _each(value, _digits)


def _each(value: object, change: Callable[[object], object]) -> object:
    if isinstance(value, Twice):
        return value
    if isinstance(value, dict):
        return {k: change(v) for k, v in value.items()}
    return [change(v) for v in value] if isinstance(value, list) else value


def _has_twice(value: object) -> bool:
    if isinstance(value, dict):
        return isinstance(value, Twice) or any(_has_twice(v) for v in value.values())
    return isinstance(value, list) and any(_has_twice(v) for v in value)


def _with_pairs(value: object) -> str:
    """`value` as JSON, with keys that stand twice."""
    if isinstance(value, dict):
        pairs = value.pairs if isinstance(value, Twice) else value.items()
        return "{" + ", ".join(f"{json.dumps(k)}: {_with_pairs(v)}" for k, v in pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_with_pairs(v) for v in value) + "]"
    return json.dumps(value)


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
