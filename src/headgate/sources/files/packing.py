"""Packed files: proof that a stream is whole (the engine takes a truncated one for a short file), and unpacking what it
cannot read.
"""

from __future__ import annotations

import zlib
from pathlib import Path

CHUNK = 1 << 20
UNPACKED_FIRST = ("snappy", "lz4")  # the engine has no reader for these


def fault(path: str, compression: str) -> str | None:
    """Why the packed file at `path` cannot be read to its end; None when it is whole."""
    if compression == "gzip":
        return _gzip_fault(path)
    if compression == "zstd":
        return _unpack(path, compression, "/dev/null")
    return None


def _gzip_fault(path: str) -> str | None:
    # Members may follow each other; each has its own check sum, which zlib compares at the member's end.
    member, open_member = zlib.decompressobj(wbits=31), False
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK):
            while chunk:
                open_member = True
                try:
                    member.decompress(chunk)
                except zlib.error as error:
                    return f"the gzip stream is damaged ({error})"
                chunk = member.unused_data
                if member.eof:
                    member, open_member = zlib.decompressobj(wbits=31), False
                    chunk = chunk.lstrip(b"\0")
    return "the gzip stream ends before its end mark: the file is cut off" if open_member else None


def unpack(path: str, compression: str, target: str) -> str | None:
    """Unpack `path` into the file `target`, streaming; returns why it could not be done, or None."""
    return _unpack(path, compression, target)


def _unpack(path: str, compression: str, target: str) -> str | None:
    import cramjam

    codec = {"zstd": cramjam.zstd, "snappy": cramjam.snappy, "lz4": cramjam.lz4}[compression]
    try:
        codec.decompress_into(cramjam.File(path), cramjam.File(target))
    except (cramjam.DecompressionError, OSError) as error:
        return f"the {compression} stream is cut off or damaged ({error})"
    return None
