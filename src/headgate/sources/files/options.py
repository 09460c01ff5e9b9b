"""The connector's options as one frozen value, checked; and what a file's name says about its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from headgate.sources.files import COMPRESSIONS, FORMATS
from headgate.spec.errors import DeclarationError

ENDINGS = {
    ".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".tab": "tsv", ".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson",
    ".parquet": "parquet", ".pq": "parquet", ".avro": "avro", ".orc": "orc", ".xlsx": "excel",
}  # fmt: skip
PACKINGS = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd", ".sz": "snappy", ".snappy": "snappy", ".lz4": "lz4"}
REMOTE = ("s3://", "gs://", "gcs://", "https://", "http://", "r2://")


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What the project says about these files; the fields are the manifest's options."""

    path: tuple[str, ...]
    format: str = "auto"
    compression: str = "auto"
    allow_missing: bool = False
    settle: float = 0.0
    union_by_name: bool = True
    sample_rows: int = 20_480
    delimiter: str | None = None
    quote: str = '"'
    escape: str = '"'
    header: bool = True
    skip: int = 0
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ()
    date_format: str | None = None
    timestamp_format: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    records: str | None = None
    sheet: str | None = None
    range: str | None = None


def parse(options: Mapping[str, Any], *, where: str) -> FileOptions:
    """Options of table `where` as a value. Raises DeclarationError for a missing path or a value of the wrong kind."""
    paths = options.get("path")
    paths = (paths,) if isinstance(paths, str) else tuple(str(p) for p in paths or ())
    if not paths or not all(paths):
        raise DeclarationError(f"{where} says nothing about where its files are", expected="path: a glob or a list of globs")
    given = {k: v for k, v in options.items() if k in FileOptions.__dataclass_fields__ and v is not None and k != "path"}
    for key, allowed in (("format", FORMATS), ("compression", COMPRESSIONS)):
        if given.get(key, "auto") not in allowed:
            raise DeclarationError(f"{where} has {key} '{given[key]}'", expected="one of " + ", ".join(allowed))
    try:
        given.update({k: float(given[k]) for k in ("settle",) if k in given})
        given.update({k: int(given[k]) for k in ("sample_rows", "skip") if k in given})
    except (TypeError, ValueError) as error:
        raise DeclarationError(f"{where} has an option that is no number: {error}", expected="a number") from error
    nulls = given.get("null_values", ())
    given["null_values"] = (nulls,) if isinstance(nulls, str) else tuple(str(n) for n in nulls)
    if not isinstance(given.get("types", {}), Mapping):
        raise DeclarationError(f"{where} has types that are no mapping", expected="types: {column: TYPE}")
    return FileOptions(path=paths, **given)


def is_remote(path: str) -> bool:
    """Whether `path` is a URL."""
    return path.startswith(REMOTE)


def kind_of(name: str, options: FileOptions) -> tuple[str, str]:
    """Format and compression of the file `name`. Raises DeclarationError when neither options nor ending tell the format."""
    stem, packing = name.split("?")[0], "none"
    ending = PurePosixPath(stem).suffix.lower()
    if ending in PACKINGS:
        packing, stem = PACKINGS[ending], stem[: -len(ending)]
    if options.compression != "auto":
        packing = options.compression
    written = options.format if options.format != "auto" else ENDINGS.get(PurePosixPath(stem).suffix.lower())
    if written is None:
        raise DeclarationError(
            f"the name of file '{name}' does not say how it is written",
            expected="an ending among " + ", ".join(sorted(ENDINGS)),
            todo="set format: on the table",
        )
    return written, packing
