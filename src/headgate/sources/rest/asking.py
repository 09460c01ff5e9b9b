"""The HTTP side: a session with time-outs, retries by Retry-After and size limits, credentials, paginators."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from dlt.sources.helpers.rest_client import auth, paginators
from dlt.sources.helpers.rest_client.client import RESTClient
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from headgate.ports.source import ExtractRequest
from headgate.spec.errors import DeclarationError, SourceBroken, SourceUnavailable

RETRIES = 5
CONNECT_SECONDS = 10.0
WAIT_SECONDS_MAX = 120.0
PAGE_BYTES_MAX = 268_435_456
_PAGINATORS: dict[str, Callable[..., Any]] = {
    "page_number": paginators.PageNumberPaginator,
    "offset": paginators.OffsetPaginator,
    "cursor": paginators.JSONResponseCursorPaginator,
    "json_link": paginators.JSONLinkPaginator,
    "header_link": paginators.HeaderLinkPaginator,
    "header_cursor": paginators.HeaderCursorPaginator,
    "single_page": paginators.SinglePagePaginator,
}
_AUTH: dict[str, Callable[..., Any]] = {
    "api_key": auth.APIKeyAuth,
    "bearer": auth.BearerTokenAuth,
    "http_basic": auth.HttpBasicAuth,
    "oauth2_client_credentials": auth.OAuth2ClientCredentials,
}


class _Patience(Retry):
    """Waits as long as Retry-After asks, unless that is longer than a load should hang: then the source is unavailable."""

    def sleep(self, response: Any = None) -> None:
        """Wait before the next try. Raises SourceUnavailable with what the source asked for."""
        asked = self.get_retry_after(response) if response is not None else None
        if asked is not None and asked > WAIT_SECONDS_MAX:
            raise SourceUnavailable(
                f"the source asks to be left alone for {asked:,.0f} s",
                expected=f"a Retry-After of at most {WAIT_SECONDS_MAX:,.0f} s",
                todo="land it again later",
                retry_after=asked,
            )
        super().sleep(response)


class _Adapter(HTTPAdapter):
    """Every request has a time-out, every answer a largest size and an end; a token that expired early is asked for again once."""

    def __init__(self, request: ExtractRequest, credential: Any) -> None:
        self.source, self.seconds = request.table.source, request.table.timeout
        self.bytes_max = int(request.table.options.get("page_bytes_max", PAGE_BYTES_MAX))
        self.credential = credential
        super().__init__(
            max_retries=_Patience(
                total=RETRIES,
                backoff_factor=0.3,
                backoff_jitter=0.3,
                status_forcelist=(429, 500, 502, 503, 504),
                allowed_methods=None,
                respect_retry_after_header=True,
                raise_on_status=False,
            )
        )

    def send(self, request: Any, **terms: Any) -> requests.Response:  # type: ignore[override]
        """Send, with all of that. An answer that breaks off is asked for again."""
        terms["timeout"] = terms.get("timeout") or (CONNECT_SECONDS, self.seconds)
        for left in range(RETRIES, -1, -1):
            try:
                response = self._read(super().send(request, **terms))
            except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError):
                if not left:
                    raise
                time.sleep(random.random() * 0.3 * 2 ** (RETRIES - left))
                continue
            if response.status_code == 401 and getattr(self.credential, "access_token", None):
                self.credential.access_token = None
                response = self._read(super().send(self.credential(request.copy()), **terms))
            return response
        raise AssertionError("unreachable")

    def _read(self, response: requests.Response) -> requests.Response:
        """The answer with its body read, piece by piece, so that one without an end does not fill the memory."""
        pieces, size = [], 0
        for piece in response.iter_content(1 << 16):
            size += len(piece)
            if size > self.bytes_max:
                response.close()
                what = f"an answer of source '{self.source}' is larger than {self.bytes_max:,} bytes"
                raise SourceBroken(what, todo="ask for smaller pages, or raise page_bytes_max")
            pieces.append(piece)
        response._content = b"".join(pieces)
        return response


def client(request: ExtractRequest) -> RESTClient:
    """A client for the declared interface. Raises DeclarationError for a declaration that cannot be meant."""
    given = request.connection
    if isinstance(given, str):
        given = {"base_url": given}
    if not isinstance(given, Mapping) or not given.get("base_url"):
        raise DeclarationError(
            f"source '{request.table.source}' has no base_url",
            expected="connection: {base_url: https://…, auth: {type: …}}",
            todo="declare it",
        )
    credential = _made("auth", given.get("auth"), _AUTH, request)
    if isinstance(credential, auth.OAuth2ClientCredentials):  # tokens are asked for under the same time-outs
        credential.session = _session(request, None)
    session = _session(request, credential)
    return RESTClient(
        base_url=str(given["base_url"]).rstrip("/") + "/",
        headers={**dict(given.get("headers") or {}), **dict(request.table.options.get("headers") or {})},
        auth=credential,
        session=session,
    )


def _session(request: ExtractRequest, credential: Any) -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(request, credential))
    return session


def paginator(request: ExtractRequest) -> Any:
    """The declared paginator, or None: the client finds one out from the answers."""
    return _made("paginator", request.table.options.get("paginator"), _PAGINATORS, request)


def _made(what: str, declared: Any, known: Mapping[str, Callable[..., Any]], request: ExtractRequest) -> Any:
    """An object of a declared kind with its settings. Raises DeclarationError."""
    if declared is None:
        return None
    settings = {"type": declared} if isinstance(declared, str) else dict(declared)
    kind = settings.pop("type", None)
    if kind not in known:
        raise DeclarationError(
            f"{what} of source '{request.table.source}' has type '{kind}'", expected="one of " + ", ".join(sorted(known))
        )
    try:
        return known[kind](**settings)
    except TypeError as error:
        raise DeclarationError(
            f"{what} '{kind}' of source '{request.table.source}': {error}", expected="the settings of that kind"
        ) from None
