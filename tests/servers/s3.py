"""An S3-compatible server on loopback (moto, in a process of its own): path style, no TLS, any credentials.

It keeps objects in memory: `stop` and `kill` lose them, `freeze` does not. It does not check signatures.
"""

from __future__ import annotations

import http.client
import importlib.util
import itertools
import os
import sys
from typing import Any
from urllib.parse import urlsplit

from servers.daemon import Daemon, MissingServer


class S3Server(Daemon):
    """Object storage for DuckDB's httpfs and everything else that speaks S3."""

    name = "s3"
    access_key = "test-key"
    secret_key = "test-secret"
    region = "us-east-1"

    def __init__(self) -> None:
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
            raise MissingServer(
                "the S3 server of the tests is missing; get it with: make setup (or pip install 'moto[s3]' flask flask-cors)"
            )
        super().__init__()
        self._numbers = itertools.count(1)

    @property
    def endpoint(self) -> str:
        """Host and port, as DuckDB's secret wants it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.endpoint}"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS": "true"}

    def is_ready(self) -> bool:
        try:
            return self._ask("GET", "/")[0] < 500
        except (ConnectionError, TimeoutError):
            return False

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
        try:
            # The key is only ever read for the region and service; moto does not verify what it signs.
            headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={self.access_key}/20200101/{self.region}/s3/aws4_request"}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _must(self, method: str, path: str, body: bytes | None = None) -> bytes:
        status, answer = self._ask(method, path, body)
        if status >= 300:
            raise RuntimeError(f"the S3 server answered {status} to {method} {path}: {answer[:300]!r}")
        return answer

    def create_bucket(self) -> str:
        """Make an empty bucket; return its name."""
        bucket = f"test-{os.getpid()}-{next(self._numbers)}"
        self._must("PUT", f"/{bucket}")
        return bucket

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Write one object. `key` is made of characters that need no escaping."""
        self._must("PUT", f"/{bucket}/{key}", body)

    def get(self, bucket: str, key: str) -> bytes:
        """Read one object."""
        return self._must("GET", f"/{bucket}/{key}")

    def delete(self, bucket: str, key: str) -> None:
        """Delete one object, as somebody with a console does."""
        self._must("DELETE", f"/{bucket}/{key}")

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The keys in a bucket (at most 1000)."""
        from xml.etree import ElementTree

        listing = ElementTree.fromstring(self._must("GET", f"/{bucket}?list-type=2&prefix={prefix}"))
        return [key.text or "" for key in listing.iter("{http://s3.amazonaws.com/doc/2006-03-01/}Key")]

    def secret_sql(self, name: str = "s3_test") -> str:
        """The statement that lets a DuckDB connection with httpfs reach this server."""
        return (
            f"CREATE OR REPLACE SECRET {name} (TYPE s3, KEY_ID '{self.access_key}', SECRET '{self.secret_key}', "
            f"REGION '{self.region}', ENDPOINT '{self.endpoint}', URL_STYLE 'path', USE_SSL false)"
        )

    def variables(self) -> dict[str, Any]:
        """The environment by which AWS clients find this server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_S3": self.url,
        }
