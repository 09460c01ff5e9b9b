"""The HTTP side: a session with time-outs, retries by Retry-After and size limits, credentials, paginators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import requests
from dlt.sources.helpers.rest_client import auth, paginators
from dlt.sources.helpers.rest_client.client import RESTClient
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from headgate.ports.source import ExtractRequest
from headgate.spec.errors import DeclarationError, SourceBroken

RETRIES = 5
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


class _Adapter(HTTPAdapter):
    """Every request has a time-out, every answer a largest size, and a token that the server let expire early is asked for again once."""

    def __init__(self, request: ExtractRequest, credential: Any, **terms: Any) -> None:
        self.source, self.seconds = request.table.source, request.table.timeout
        self.bytes_max = int(request.table.options.get("page_bytes_max", 268_435_456))
        self.credential = credential
        super().__init__(**terms)

    def send(self, request: Any, **terms: Any) -> requests.Response:  # type: ignore[override]
        """Send, with all of that."""
        terms["timeout"] = terms.get("timeout") or (10.0, self.seconds)
        response = super().send(request, **terms)
        if (
            response.status_code == 401
            and isinstance(self.credential, auth.OAuth2ClientCredentials)
            and self.credential.access_token
        ):
            self.credential.access_token = None
            response = super().send(self.credential(request.copy()), **terms)
        if int(response.headers.get("Content-Length") or 0) > self.bytes_max or len(response.content) > self.bytes_max:
            raise SourceBroken(
                f"an answer of source '{self.source}' is larger than {self.bytes_max:,} bytes", todo="ask for smaller pages"
            )
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
    session = requests.Session()
    retry = Retry(
        total=RETRIES, backoff_factor=0.3, backoff_jitter=0.3, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None,
        respect_retry_after_header=True, raise_on_status=False,
    )  # fmt: skip
    credential = _made("auth", given.get("auth"), _AUTH, request)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(request, credential, max_retries=retry))
    return RESTClient(
        base_url=str(given["base_url"]).rstrip("/") + "/",
        headers={**dict(given.get("headers") or {}), **dict(request.table.options.get("headers") or {})},
        auth=credential,
        session=session,
    )


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
