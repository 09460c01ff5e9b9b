"""Serve files of a folder over HTTP the way object stores and web servers do: ETag, Last-Modified, single ranges, HEAD."""

from __future__ import annotations

import mimetypes
import re
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from servers.loopback_http import send


def send_file(handler: BaseHTTPRequestHandler, folder: Path | None, name: str) -> None:
    """Answer with one file: 200, 206 for a range, 304 when unchanged, 404, or 416 for a range past the end."""
    file = (folder / name).resolve() if folder is not None else None
    if file is None or folder is None or not file.is_relative_to(folder) or not file.is_file():
        return send(handler, 404, b"not found")
    body, facts = file.read_bytes(), file.stat()
    headers = {
        "ETag": f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"',
        "Last-Modified": formatdate(facts.st_mtime, usegmt=True),
        "Accept-Ranges": "bytes",
        "Content-Type": mimetypes.guess_type(file.name)[0] or "application/octet-stream",
    }
    if _unchanged(handler, headers["ETag"], int(facts.st_mtime)):
        return send(handler, 304, b"", headers)
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", handler.headers.get("Range", ""))
    if wanted is None or wanted.group(0) == "bytes=-":
        return send(handler, 200, body, headers)
    first, last = _bounds(wanted.group(1), wanted.group(2), len(body))
    if first > last:
        return send(handler, 416, b"", {**headers, "Content-Range": f"bytes */{len(body)}"})
    send(handler, 206, body[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{len(body)}"})


def _unchanged(handler: BaseHTTPRequestHandler, etag: str, modified: int) -> bool:
    known = handler.headers.get("If-None-Match")
    if known is not None:
        return known == "*" or etag in (tag.strip().removeprefix("W/") for tag in known.split(","))
    since = handler.headers.get("If-Modified-Since")
    return since is not None and modified <= parsedate_to_datetime(since).timestamp()


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last) if last else size - 1, size - 1)
