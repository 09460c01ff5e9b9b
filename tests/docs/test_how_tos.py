"""Every how-to page does what it says, with a real server where it needs one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from page_reader import DOCS, Reader

PAGES = sorted(page.stem for page in (DOCS / "how-to").glob("*.md") if page.stem != "README")


class Orders(BaseHTTPRequestHandler):
    """A shop's interface: pages of two orders, those updated since a moment, for whoever shows the token."""

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        if self.headers.get("Authorization") != "Bearer shop-secret":
            self.send_error(401)
            return
        since, page = asked.get("updated_since", [""])[0], int(asked.get("page", ["1"])[0])
        found = [o for o in self.rows() if o["updated_at"] >= since]
        body = json.dumps({"orders": found[2 * page - 2 : 2 * page], "pages": -(-len(found) // 2)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"id": n, "lines": [{"sku": f"s{n}", "quantity": n}], "updated_at": f"2026-01-0{n}T10:00:00"} for n in range(1, 6)
        ]

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def api_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Orders)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("page", PAGES)
def test_the_page_does_what_it_says(page: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    text = (DOCS / "how-to" / f"{page}.md").read_text()
    environment = {}
    if "SHOP_DSN" in text:
        environment["SHOP_DSN"] = request.getfixturevalue("pg_database")
    if "LAKE_DSN" in text:
        server = request.getfixturevalue("postgres_server")
        environment |= {"LAKE_DSN": server.dsn(server.create_database()), "STATE_DSN": server.dsn(server.create_database())}
    if "API_URL" in text:
        environment |= {"API_URL": request.getfixturevalue("api_url"), "API_TOKEN": "shop-secret"}
    assert Reader(tmp_path, environment).read(f"how-to/{page}.md") > 3


def test_the_index_names_every_page() -> None:
    index = (DOCS / "how-to" / "README.md").read_text()
    assert len(PAGES) >= 9
    for page in PAGES:
        assert f"({page}.md)" in index
