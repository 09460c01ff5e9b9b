"""What is there to read: the files behind the globs, compared with the manifest of what was read before.

A file is known by its name with size and time; only when these differ is its content hashed, and only when the hash differs
is it a new version. A file that is still being written (it changes between two looks, or is younger than `settle`) waits for
the next load.
"""

from __future__ import annotations

import glob
import gzip
import io
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from headgate.ports.engine import Cursor
from headgate.sources.files import packing
from headgate.sources.files.options import FileOptions, is_remote, kind_of
from headgate.spec.errors import DeclarationError, SourceBroken, SourceUnavailable
from headgate.spec.names import quote_literal
from headgate.spec.positions import Unit

CHUNK = 4 << 20
HEAD_BYTES = 1 << 16
HEAD_KEPT = 1 << 10
TABLES = ("delta", "iceberg")  # a folder is one table, not files


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A new or changed file. `path` is what the engine reads; `head` its first bytes, unpacked (empty: not looked at);
    `fault` says why it cannot be read at all."""

    unit: Unit
    path: str
    format: str
    compression: str
    head: bytes = b""
    fault: str | None = None


class Known:
    """What earlier loads have seen: the landed version of each file, and the one that was blocked since. `released` shrinks while
    files are looked at, to the blocked ones that are gone or stand again as they were landed.
    """

    def __init__(self, landed: Mapping[str, Unit], blocked: Mapping[str, Unit]) -> None:
        self.landed, self.blocked = landed, blocked
        self.released = set(blocked)

    def by_time(self, name: str, size: int, modified_at: str) -> bool:
        """Whether the file stands as one of its versions, by size and time."""
        return self._stands(name, lambda u: (u.size, u.modified_at) == (size, modified_at))

    def by_hash(self, name: str, digest: str) -> bool:
        """Whether the file stands as one of its versions, by content."""
        return self._stands(name, lambda u: u.content_hash == digest)

    def _stands(self, name: str, same: Callable[[Unit], bool]) -> bool:
        if name in self.blocked and same(self.blocked[name]):
            self.released.discard(name)
            return True
        return name in self.landed and same(self.landed[name])


@dataclass(frozen=True, slots=True)
class Found:
    """The new and changed files, in the order of their names, and the blocked ones that are gone or stand again as landed."""

    files: list[FoundFile]
    released: tuple[str, ...]


def new_files(options: FileOptions, known: Known, cursor: Cursor, *, root: str, staging: str) -> Found:
    """All files that are new or changed against `known`.

    Raises DeclarationError for a relative path that leaves the project, SourceBroken when a glob matches nothing,
    SourceUnavailable.
    """
    found: dict[str, FoundFile | None] = {}
    for pattern in options.path:
        lister = _remote if is_remote(pattern) else _local
        matched = False
        for name, file in lister(pattern, options, known, cursor, root, staging):
            matched = True
            found.setdefault(name, file)
        if not matched and not options.allow_missing:
            raise SourceBroken(
                f"no file matches '{pattern}'", expected="at least one file", todo="correct path:, or set allow_missing: true"
            )
    files = [f for _, f in sorted(found.items()) if f is not None]
    return Found(files, tuple(sorted(known.released.difference(f.unit.name for f in files))))


def _local(
    pattern: str, options: FileOptions, known: Known, cursor: Cursor, root: str, staging: str
) -> Iterator[tuple[str, FoundFile | None]]:
    base = Path(root).resolve()
    absolute = Path(pattern).is_absolute()
    if not absolute and not (base / pattern).resolve().is_relative_to(base):
        raise DeclarationError(
            f"path '{pattern}' leads out of the project",
            expected="a path below the project",
            todo="write an absolute path on purpose",
        )
    for text in sorted(glob.glob(pattern if absolute else str(base / pattern), recursive=True)):  # noqa: PTH207 (absolute)
        path = Path(text)
        name = text if absolute else path.relative_to(base).as_posix()
        if path.is_dir() != (options.format in TABLES):
            continue  # a folder named x.csv is no file
        try:
            yield name, _look(name, path, options, known, staging)
        except FileNotFoundError:
            continue  # gone between the glob and the look


def _look(name: str, path: Path, options: FileOptions, known: Known, staging: str) -> FoundFile | None:
    stat = path.stat()
    modified_at = _iso(stat.st_mtime)
    if options.format in TABLES:
        return _table_folder(name, path, options, known)
    if known.by_time(name, stat.st_size, modified_at):
        return None
    if options.settle and time.time() - stat.st_mtime < options.settle:
        known.released.discard(name)
        return None
    digest = hash_of(path)
    again = path.stat()
    if (again.st_size, again.st_mtime_ns) != (stat.st_size, stat.st_mtime_ns):
        known.released.discard(name)
        return None  # it is being written: the next load finds it at rest
    if known.by_hash(name, digest):
        return None
    unit = Unit(name, stat.st_size, modified_at, digest)
    written, packed = kind_of(name, options)
    return _opened(unit, str(path), written, packed, staging, options.skip)


def _opened(unit: Unit, path: str, written: str, packed: str, staging: str, skip: int) -> FoundFile:
    """Prove a packed file whole, unpack what the engine cannot, and take its head."""
    if packed in packing.UNPACKED_FIRST or (packed == "zstd" and written in ("ndjson", "json")):
        target = str(Path(staging) / f"{unit.content_hash}.{written}")
        Path(staging).mkdir(parents=True, exist_ok=True)
        fault, path, packed = packing.unpack(path, packed, target), target, "none"
    else:
        fault = packing.fault(path, packed)
    head = b"" if fault or packed == "zstd" else _head(path, packed, skip)
    if not fault and unit.size == 0 and written not in ("csv", "tsv", "ndjson", "json"):
        fault = f"the file is empty, which no {written} file can be"
    return FoundFile(unit, path, written, packed, head, fault)


def _head(path: str, packed: str, skip: int) -> bytes:
    """What is kept of each file: `skip` and two lines, or a little more; thousands of files may be new at once."""
    read, end = look(path, packed), 0
    for _ in range(skip + 2):
        end = read.find(b"\n", end) + 1 or HEAD_BYTES
    return read[: max(HEAD_KEPT, end)]


def look(path: str, packed: str) -> bytes:
    """The first bytes of a file, unpacked."""
    with Path(path).open("rb") as raw:
        stream: io.BufferedIOBase = gzip.GzipFile(fileobj=raw) if packed == "gzip" else raw
        return stream.read(HEAD_BYTES)


def hash_of(path: Path) -> str:
    """The content's 128-bit hash as hex, streamed."""
    import xxhash

    state = xxhash.xxh3_128()
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(min(CHUNK, os.fstat(file.fileno()).st_size + 1))  # thousands of files are small
        while count := file.readinto(buffer):
            state.update(memoryview(buffer)[:count])
    return state.hexdigest()


def _table_folder(name: str, path: Path, options: FileOptions, known: Known) -> FoundFile | None:
    """A Delta or Iceberg table: a new version shows in its log's newest file."""
    logs = sorted((path / ("_delta_log" if options.format == "delta" else "metadata")).glob("*.json"))
    if not logs:
        return None
    newest = max(logs, key=_version)
    unit = Unit(name, sum(p.stat().st_size for p in logs), _iso(newest.stat().st_mtime), hash_of(newest))
    if known.by_hash(name, unit.content_hash):
        return None
    # The version of an Iceberg table is known to its catalog; without one, the newest metadata file is it.
    return FoundFile(unit, str(newest if options.format == "iceberg" else path), options.format, "none")


def _version(log: Path) -> tuple[int, int, str]:
    """By the number in the name (00002-….metadata.json, v2.metadata.json, 00000000000000000002.json), then by time."""
    number = re.match(r"v?(\d+)", log.name)
    return int(number[1]) if number else -1, log.stat().st_mtime_ns, log.name


def _remote(
    pattern: str, options: FileOptions, known: Known, cursor: Cursor, root: str, staging: str
) -> Iterator[tuple[str, FoundFile | None]]:
    if options.format in TABLES:
        unit = Unit(pattern, 0, _iso(time.time()), f"look-{time.time_ns():x}")
        yield pattern, FoundFile(unit, pattern, options.format, "none")
        return
    for name, size, modified in _remote_stat(pattern, cursor):
        modified_at = modified.astimezone(UTC).replace(tzinfo=None).isoformat() if modified else ""
        if modified_at and known.by_time(name, size, modified_at):
            yield name, None
            continue
        if options.settle and modified and time.time() - modified.timestamp() < options.settle:
            known.released.discard(name)
            yield name, None
            continue
        # Without a time nothing but the content tells a new version.
        path = name if modified_at else _download(name, cursor, staging)
        digest = hash_of(Path(path)) if path != name else f"size-{size}-at-{modified_at}"
        if known.by_hash(name, digest):
            yield name, None
            continue
        unit = Unit(name, size, modified_at, digest)
        written, packed = kind_of(name, options)
        if packed != "none" or written in ("orc", "excel", "avro", "json", "ndjson"):
            path = path if path != name else _download(name, cursor, staging)
            yield name, _opened(unit, path, written, packed, staging, options.skip)
        else:
            fault = "the file is empty" if size == 0 and written == "parquet" else None
            yield name, FoundFile(unit, path, written, packed, fault=fault)


def _remote_stat(pattern: str, cursor: Cursor) -> list[tuple[str, int, datetime | None]]:
    import duckdb

    sql = f"SELECT filename, size, last_modified FROM read_blob({quote_literal(pattern)}) ORDER BY 1"
    try:
        cursor.execute(sql)
        rows: list[tuple[str, int, datetime | None]] = cursor.fetchall()
    except duckdb.IOException as error:
        if "No files found" in str(error):
            return []
        if "404" in str(error):
            return []
        raise SourceUnavailable(
            f"'{pattern}' could not be listed: {_first_line(error)}", todo="check the address and the network"
        ) from error
    except duckdb.Error as error:
        raise SourceBroken(
            f"'{pattern}' could not be listed: {_first_line(error)}", todo="check the address and its credentials"
        ) from error
    return rows


def _download(url: str, cursor: Cursor, staging: str) -> str:
    """Fetch `url` into the staging folder; returns the path. What is packed or has no range reader must be local to be
    proven whole.
    """
    import hashlib

    import duckdb

    Path(staging).mkdir(parents=True, exist_ok=True)
    # No ending of the URL's: the engine would pack a file named .gz once more.
    target = Path(staging) / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}.download"
    try:
        cursor.execute(
            f"COPY (SELECT content FROM read_blob({quote_literal(url)})) TO {quote_literal(str(target))} (FORMAT blob)"
        )
    except duckdb.Error as error:
        raise SourceUnavailable(f"'{url}' could not be fetched: {_first_line(error)}", todo="try again") from error
    return str(target)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
