"""The real parts that tests run against, as fixtures. Each starts when the first test asks and ends with the test process.

Every pytest-xdist worker has servers of its own on free ports. A part that is missing fails the test with the command
that gets it; nothing is skipped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Under `--import-mode=importlib` nothing puts the tests' folder on the path; `from servers.… import …` needs it.
sys.path.insert(0, str(Path(__file__).parent))

from servers.dbt_oracle import DbtOracle
from servers.http_api import HttpApi
from servers.mariadb import MariadbServer
from servers.postgres import PostgresServer
from servers.processes import Processes
from servers.s3 import S3Server
from servers.vault import VaultServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server. A test that stops it or changes the ordinary password puts that right itself."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def pg_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The DSN of a fresh, empty PostgreSQL database."""
    database = postgres_server.create_database()
    yield postgres_server.dsn(database)
    postgres_server.drop_database(database)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """A MariaDB server, installed with apt when it is absent."""
    with MariadbServer() as server:
        yield server


@pytest.fixture
def mariadb_database(mariadb_server: MariadbServer) -> Iterator[str]:
    """The DSN (`mysql://…`) of a fresh, empty MariaDB database."""
    database = mariadb_server.create_database()
    yield mariadb_server.dsn(database)
    mariadb_server.drop_database(database)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3-compatible server."""
    with S3Server() as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> str:
    """The name of a fresh, empty bucket."""
    return s3_server.create_bucket()


@pytest.fixture
def http_api() -> Iterator[HttpApi]:
    """A REST interface and static file server, with nothing in it."""
    with HttpApi() as api:
        yield api


@pytest.fixture
def vault_server() -> Iterator[VaultServer]:
    """A server of secrets that speaks Vault's KV version 2, with nothing in it."""
    with VaultServer() as server:
        yield server


@pytest.fixture
def python_process() -> Iterator[Processes]:
    """Starts Python snippets and `headgate` commands that a test may kill; none outlives the test."""
    processes = Processes()
    yield processes
    processes.close()


@pytest.fixture(scope="session")
def dbt_oracle() -> DbtOracle:
    """dbt itself, installed into an environment of its own when it is absent."""
    return DbtOracle()
