"""REST against a server that does what real ones do: every kind of page, credential, limit and failure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.spec.errors import CredentialRefused, HeadgateError, SourceBroken
from servers.http_api import HttpApi
from sources.lakes import Trial, source_table

PAGES: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "page_number": (
        "page/orders",
        {"type": "page_number", "base_page": 1, "page_param": "page", "total_path": "total_pages"},
        "data",
    ),
    "offset": ("offset/orders", {"type": "offset", "limit": 10}, "data"),
    "cursor": ("cursor/orders", {"type": "cursor", "cursor_path": "next_cursor", "cursor_param": "cursor"}, "data"),
    "json_link": ("next/orders", {"type": "json_link", "next_url_path": "paging.next"}, "data"),
    "header_link": ("link/orders", {"type": "header_link"}, None),
    "single_page": ("all/orders", {"type": "single_page"}, None),
}


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    trial = Trial(tmp_path, root=str(tmp_path))
    yield trial
    trial.close()


def orders(count: int, day: int = 1) -> list[dict[str, Any]]:
    return [
        {"id": n, "who": {"name": f"n{n}", "tags": ["a", "b"]}, "updated_at": f"2026-01-{day:02d}T{n // 60:02d}:{n % 60:02d}:00"}
        for n in range(count)
    ]


def table(api: HttpApi, style: str = "page_number", auth: Any = None, **fields: Any) -> Any:
    path, paging, selector = PAGES[style]
    options = {
        "path": path,
        "paginator": paging,
        **({"data_selector": selector} if selector else {}),
        **fields.pop("options", {}),
    }
    connection = {"base_url": api.url, **({"auth": auth} if auth else {})}
    return source_table("orders", "rest", connection, options=options, **{"primary_key": ("id",), **fields})


@pytest.mark.parametrize("style", list(PAGES))
def test_every_page_lands_once_with_nested_data(trial: Trial, http_api: HttpApi, style: str) -> None:
    http_api.records["orders"] = orders(25)
    spec = table(http_api, style)
    assert trial.load(spec) == 25
    assert trial.load(spec) == 0
    kinds = {c.name: c.type for c in trial.lake.columns(spec.relation) or ()}
    assert kinds["who"] == 'STRUCT("name" VARCHAR, tags VARCHAR[])' or kinds["who"].startswith("STRUCT(")
    assert trial.lake.rows(spec, "count(DISTINCT id), max(who.name)") == [(25, "n9")]


def test_failures_on_the_way_lose_and_double_nothing(trial: Trial, http_api: HttpApi) -> None:
    http_api.records["orders"] = orders(95)
    http_api.fail_every(3, status=429, retry_after=0)
    http_api.fail_every(4, status=503)
    assert trial.load(table(http_api)) == 95


def test_an_increment_asks_for_what_is_new(trial: Trial, http_api: HttpApi) -> None:
    http_api.records["orders"] = orders(12)
    spec = table(http_api, cursor="updated_at", options={"start_param": "updated_after"})
    assert trial.load(spec) == 12
    http_api.records["orders"] = [*orders(12), {"id": 100, "who": {"name": "x", "tags": []}, "updated_at": "2026-01-02T00:00:00"}]
    http_api.requests.clear()
    assert trial.load(spec) == 1
    assert any("updated_after" in path for path in http_api.paths()) or any("updated_after" in str(r) for r in http_api.requests)


def test_credentials(trial: Trial, http_api: HttpApi) -> None:
    http_api.records["orders"] = orders(5)
    http_api.require_bearer("s3cret-token")
    with pytest.raises(CredentialRefused) as refused:
        trial.load(table(http_api, auth={"type": "bearer", "token": "wrong-token"}, retries=0))
    assert "wrong-token" not in str(refused.value)
    assert trial.load(table(http_api, auth={"type": "bearer", "token": "s3cret-token"})) == 5


def test_a_token_that_expires_on_the_way_is_asked_for_again(trial: Trial, http_api: HttpApi) -> None:
    http_api.records["orders"] = orders(65)
    http_api.require_oauth("me", "my-secret", requests_per_token=3)
    auth = {
        "type": "oauth2_client_credentials",
        "access_token_url": f"{http_api.url}/oauth/token",
        "client_id": "me",
        "client_secret": "my-secret",
    }
    assert trial.load(table(http_api, auth=auth)) == 65
    assert http_api.tokens_given >= 3


def test_what_is_no_json_or_not_there_says_so(trial: Trial, http_api: HttpApi) -> None:
    http_api.records["orders"] = orders(5)
    http_api.fail_next(1, kind="malformed")
    with pytest.raises(HeadgateError):
        trial.load(table(http_api, retries=0))
    with pytest.raises(SourceBroken, match="404"):
        trial.load(table(http_api, options={"path": "nowhere/orders"}, retries=0))
