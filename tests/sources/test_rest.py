"""REST against a server that does what real ones do: every kind of page, credential, limit and failure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.spec.errors import CredentialRefused, HeadgateError, SourceBroken, SourceUnavailable
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


def test_answers_that_break_off_are_asked_for_again(trial: Trial, http_api: HttpApi) -> None:
    http_api.records["orders"] = orders(65)
    http_api.fail_every(3, kind="truncated")
    http_api.fail_every(4, kind="reset")
    assert trial.load(table(http_api)) == 65
    assert not trial.events
    units = trial.lake.rows(table(http_api), "count(DISTINCT _position.unit), count(DISTINCT _position)")
    assert units == [(7, 65)]


def test_a_source_that_wants_to_be_left_alone_is_left_alone(trial: Trial, http_api: HttpApi) -> None:
    http_api.records["orders"] = orders(5)
    http_api.fail_next(1, status=429, retry_after=3600)
    with pytest.raises(SourceUnavailable) as left:
        trial.load(table(http_api))
    assert left.value.retry_after == 3600 and not trial.waited


def test_an_answer_without_an_end_and_one_that_is_late_are_given_up(trial: Trial, http_api: HttpApi) -> None:
    http_api.records["orders"] = orders(10)
    with pytest.raises(SourceBroken, match="larger than 100 bytes"):
        trial.load(table(http_api, options={"page_bytes_max": 100}))
    http_api.fail_every(1, kind="slow", delay_seconds=3)
    with pytest.raises(SourceUnavailable):
        trial.load(table(http_api, timeout=0.05, retries=0))


def test_a_column_without_values_waits_for_one(trial: Trial, http_api: HttpApi) -> None:
    http_api.records["orders"] = [{"id": 1, "late": None}]
    assert trial.load(table(http_api)) == 1
    http_api.records["orders"] = [{"id": 1, "late": None}, {"id": 2, "late": "2024-01-01"}]
    assert trial.load(table(http_api)) == 1
    kinds = {c.name: c.type for c in trial.lake.columns(table(http_api).relation) or ()}
    assert kinds["late"] == "DATE"
    http_api.records["orders"] = [{"id": 3, "late": None}]
    assert trial.load(table(http_api)) == 1


def test_a_declared_action_turns_an_error_into_no_rows(trial: Trial, http_api: HttpApi) -> None:
    actions = [{"status_code": 404, "action": "ignore"}]
    assert trial.load(table(http_api, options={"response_actions": actions})) == 0


def test_a_backfill_asks_for_its_window_and_moves_no_position(trial: Trial, http_api: HttpApi) -> None:
    http_api.records["orders"] = orders(12)
    spec = table(http_api, cursor="updated_at", options={"start_param": "updated_after", "end_param": "updated_before"})
    assert trial.load(spec, since="2026-01-01T00:05:00", until="2026-01-02") == 6
    assert trial.position(spec).state == {}
    assert http_api.requests[0].query["updated_before"] == "2026-01-02"
    assert trial.load(spec) == 6
