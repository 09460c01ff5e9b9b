"""A REST interface to fetch from, with everything that goes wrong in real ones, and a folder served as static files.

Every resource (`api.records["orders"] = [...]`) is offered in every style of paging, 10 records a page unless asked otherwise:

    /page/orders?page=1&per_page=10        {"data": [...], "page": 1, "total_pages": 3, "total": 25}
    /offset/orders?offset=0&limit=10       {"data": [...], "total": 25}
    /cursor/orders?cursor=…&limit=10       {"data": [...], "next_cursor": "…" or null}
    /next/orders                           {"data": [...], "paging": {"next": "http://…" or null}}
    /link/orders                           [...] and a Link header with rel="next"
    /all/orders                            [...]
    /item/orders/<id>                      {...} or 404

`updated_after=` keeps the records whose `updated_at` is greater (all styles); `/files/<path>` serves `serve_folder(...)`.
Credentials are demanded after `require_…`; failures come after `fail_every` and `fail_next`. `api.requests` has what arrived.
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
import struct
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlencode

from servers.loopback_http import LoopbackHttp, Request, send
from servers.static_files import send_file

Kind = Literal["status", "reset", "slow", "truncated", "malformed"]
Answer = tuple[int, Any, dict[str, str]]


@dataclass
class Failure:
    """One injected failure: every k-th matching request, or the next n of them."""

    kind: Kind
    path: str
    status: int
    retry_after: str | None
    delay_seconds: float
    every: int = 0
    left: int = 0
    seen: int = 0

    def strikes(self, path: str) -> bool:
        """Whether it hits this request; counts it."""
        if not path.startswith(self.path):
            return False
        self.seen += 1
        if self.every:
            return self.seen % self.every == 0
        self.left -= 1
        return self.left >= 0


class HttpApi(LoopbackHttp):
    """The server. Settings may be changed at any time, also while requests are under way; `reset` brings back the defaults."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """No records, no demands, no failures, nothing recorded."""
        with self._lock:
            self.records: dict[str, list[dict[str, Any]]] = {}
            self.requests: list[Request] = []
            self.page_size = 10
            self.failures: list[Failure] = []
            self._folder: Path | None = None
            self._demand: tuple[str, ...] = ()
            self._tokens: dict[str, int] = {}
            self.tokens_given = 0

    # -- credentials ---------------------------------------------------------------------------------------------

    def require_key(self, key: str, *, header: str | None = "X-Api-Key", parameter: str | None = None) -> None:
        """Demand an API key in a header or, with `header=None`, in a query parameter."""
        self._demand = ("header", header.lower(), key) if header else ("parameter", parameter or "api_key", key)

    def require_bearer(self, token: str) -> None:
        """Demand `Authorization: Bearer <token>`."""
        self._demand = ("header", "authorization", f"Bearer {token}")

    def require_basic(self, user: str, password: str) -> None:
        """Demand HTTP basic authentication."""
        self._demand = ("header", "authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())

    def require_oauth(self, client_id: str, client_secret: str, *, requests_per_token: int = 10, expires_in: int = 3600) -> None:
        """Demand a token of `POST /oauth/token` (client credentials). Each is good for so many requests, then 401.

        `expires_in` is what the token answer claims, in seconds; only the count of requests decides.
        """
        self._demand = ("oauth", client_id, client_secret, str(requests_per_token), str(expires_in))
        self._tokens.clear()

    # -- failures ------------------------------------------------------------------------------------------------

    def fail_every(
        self,
        k: int,
        *,
        kind: Kind = "status",
        path: str = "/",
        status: int = 503,
        retry_after: float | str | None = None,
        delay_seconds: float = 1.0,
    ) -> None:
        """Let every k-th request under `path` fail (tokens are never hit). `retry_after`: seconds or an HTTP date."""
        self._inject(Failure(kind, path, status, _header(retry_after), delay_seconds, every=k))

    def fail_next(
        self,
        n: int = 1,
        *,
        kind: Kind = "status",
        path: str = "/",
        status: int = 503,
        retry_after: float | str | None = None,
        delay_seconds: float = 1.0,
    ) -> None:
        """Let the next n requests under `path` fail. "slow" waits `delay_seconds` and then answers in full."""
        self._inject(Failure(kind, path, status, _header(retry_after), delay_seconds, left=n))

    def _inject(self, failure: Failure) -> None:
        with self._lock:
            self.failures.append(failure)

    # -- data ----------------------------------------------------------------------------------------------------

    def serve_folder(self, folder: Path) -> str:
        """Serve the files of a folder; return the URL under which they are, without a slash at the end."""
        self._folder = folder.resolve()
        return f"{self.url}/files"

    def paths(self) -> list[str]:
        """The paths asked for so far, in order."""
        return [request.path for request in self.requests]

    # -- answering -----------------------------------------------------------------------------------------------

    def respond(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        with self._lock:
            self.requests.append(request)
            is_token = request.path == "/oauth/token"
            struck = [] if is_token else [failure for failure in self.failures if failure.strikes(request.path)]
            failure = struck[0] if struck else None
            if is_token:
                status, body, headers = self._token(request)
            elif (failure is None or failure.kind != "status") and not self._allowed(request):
                status, body, headers = 401, {"error": "unauthorized"}, {"WWW-Authenticate": "Bearer"}
            elif request.path.startswith("/files/"):
                status, body, headers = 0, None, {}
            else:
                status, body, headers = self._read(request)
        if failure is not None and self._fail(handler, failure, json.dumps(body).encode()):
            return
        if status == 0:
            send_file(handler, self._folder, unquote(request.path.removeprefix("/files/")))
            return
        send(handler, status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})

    def _fail(self, handler: BaseHTTPRequestHandler, failure: Failure, body: bytes) -> bool:
        """Do the failure; True when that was the whole answer."""
        if failure.kind == "slow":
            self.closing.wait(failure.delay_seconds)
            return False
        handler.close_connection = True
        if failure.kind == "status":
            headers = {"Content-Type": "application/json", "Connection": "close"}
            if failure.retry_after is not None:
                headers["Retry-After"] = failure.retry_after
            send(handler, failure.status, b'{"error": "injected"}', headers)
        elif failure.kind == "malformed":
            send(handler, 200, body[: len(body) // 2] + b"<html>", {"Content-Type": "application/json", "Connection": "close"})
        elif failure.kind == "truncated":
            send(handler, 200, body[: len(body) // 2], {"Content-Type": "application/json", "Content-Length": str(len(body) + 1)})
        else:
            # Closing with a linger time of zero sends RST instead of FIN.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.shutdown(socket.SHUT_RD)
            handler.connection.close()
        return True

    def _allowed(self, request: Request) -> bool:
        if not self._demand:
            return True
        kind, name, *rest = self._demand
        if kind == "header":
            return request.headers.get(name) == rest[0]
        if kind == "parameter":
            return request.query.get(name) == rest[0]
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0) <= 0:
            return False
        self._tokens[token] -= 1
        return True

    def _token(self, request: Request) -> Answer:
        if request.method != "POST" or not self._demand or self._demand[0] != "oauth":
            return 404, {"error": "not_found"}, {}
        _, client_id, client_secret, requests_per_token, expires_in = self._demand
        form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
        basic = "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        in_form = (form.get("client_id"), form.get("client_secret")) == (client_id, client_secret)
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}, {}
        if not in_form and request.headers.get("authorization") != basic:
            return 401, {"error": "invalid_client"}, {}
        token = secrets.token_hex(8)
        self._tokens[token] = int(requests_per_token)
        self.tokens_given += 1
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": int(expires_in)}, {}

    def _read(self, request: Request) -> Answer:
        style, _, rest = request.path.removeprefix("/").partition("/")
        resource, _, key = unquote(rest).partition("/")
        if resource not in self.records:
            return 404, {"error": f"no resource {resource!r}"}, {}
        after = request.query.get("updated_after")
        rows = [row for row in self.records[resource] if after is None or str(row.get("updated_at", "")) > after]
        if style == "item":
            found = [row for row in rows if str(row.get("id")) == key]
            return (200, found[0], {}) if found else (404, {"error": f"no {resource} {key}"}, {})
        if style == "all":
            return 200, rows, {}
        try:
            return self._page(style, request, rows)
        except ValueError as wrong:
            return 400, {"error": str(wrong)}, {}

    def _page(self, style: str, request: Request, rows: list[dict[str, Any]]) -> Answer:
        query = request.query
        size = int(query.get("per_page") or query.get("limit") or self.page_size)
        if style == "page":
            page = int(query.get("page", "1"))
            pages = -(-len(rows) // size)
            data = rows[(page - 1) * size : page * size]
            return 200, {"data": data, "page": page, "total_pages": pages, "total": len(rows)}, {}
        if style == "offset":
            offset = int(query.get("offset", "0"))
            return 200, {"data": rows[offset : offset + size], "total": len(rows)}, {}
        offset = int(base64.urlsafe_b64decode(query["cursor"].encode()).decode()) if query.get("cursor") else 0
        data, following = rows[offset : offset + size], None
        if offset + size < len(rows):
            following = base64.urlsafe_b64encode(str(offset + size).encode()).decode()
        if style == "cursor":
            return 200, {"data": data, "next_cursor": following}, {}
        link = f"{self.url}{request.path}?{urlencode({**query, 'cursor': following})}" if following else None
        if style == "next":
            return 200, {"data": data, "paging": {"next": link}}, {}
        if style == "link":
            first = f'<{self.url}{request.path}>; rel="first"'
            return 200, data, {"Link": f'<{link}>; rel="next", {first}' if link else first}
        return 404, {"error": f"no paging style {style!r}"}, {}


def _header(retry_after: float | str | None) -> str | None:
    return None if retry_after is None else str(retry_after)
