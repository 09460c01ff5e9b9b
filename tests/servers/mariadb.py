"""A real MariaDB on loopback, from Debian's `mariadb-server-core`: the programs alone, so no service is ever started.

When the program is absent, `ensure` installs the package with apt; when that is impossible the test fails and names the command.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymysql

from servers.daemon import Daemon, MissingServer

PACKAGE = "mariadb-server-core"
INSTALL = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends", PACKAGE]
UPDATE = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "update"]
BY_HAND = f"apt-get update && apt-get install -y --no-install-recommends {PACKAGE}"
SYSTEM_TABLES = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
    "maria_add_gis_sp_bootstrap.sql",
    "mysql_sys_schema.sql",
)


def ensure() -> tuple[str, Path]:
    """Return the path of the server and the folder of its system tables' SQL, installing them if need be.

    Raises MissingServer with the command to run by hand when apt, the rights or the network are missing.
    """
    with (Path(tempfile.gettempdir()) / f"headgate-{PACKAGE}-{os.geteuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the workers of one test run must not install side by side
        found = _find()
        if found is None:
            _install()
            found = _find()
    if found is None:
        raise MissingServer(f"MariaDB for the tests is missing after installing {PACKAGE}; look at: {BY_HAND}")
    return found


def _find() -> tuple[str, Path] | None:
    server = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/usr/local/bin")
    if server is None:
        return None
    share = Path(server).resolve().parents[1] / "share"
    folders = [folder for folder in (share / "mysql", share / "mariadb") if (folder / SYSTEM_TABLES[0]).exists()]
    return (server, folders[0]) if folders else None


def _install() -> None:
    if shutil.which("apt-get") is None:
        raise MissingServer(f"MariaDB for the tests is missing and there is no apt-get; on Debian or Ubuntu: {BY_HAND}")
    become_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if become_root and shutil.which("sudo") is None:
        raise MissingServer(f"MariaDB for the tests is missing; run as root: {BY_HAND}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    said = ""
    for command in (INSTALL, UPDATE, INSTALL):
        done = subprocess.run([*become_root, *command], env=environment, capture_output=True, text=True, timeout=240)
        said += done.stdout[-500:] + done.stderr[-1500:]
        if command is INSTALL and done.returncode == 0:
            return
    raise MissingServer(f"MariaDB for the tests could not be installed; run as root: {BY_HAND}\n{said}")


class MariadbServer(Daemon):
    """MariaDB with `root` for the tests and an ordinary user `headgate`, both with passwords, over TCP."""

    name = "mariadb"
    user = "headgate"

    def __init__(self) -> None:
        self._server, self._tables = ensure()
        super().__init__()
        self.password = "headgate-pw"
        self.superuser_password = "superuser-pw"
        self._numbers = itertools.count(1)

    def prepare(self) -> None:
        (self.folder / "data" / "mysql").mkdir(parents=True)
        # What mariadb-install-db does, without the programs of other packages that it asks for.
        script = "USE mysql;\nSET @auth_root_socket = NULL;\n"
        script += "".join((self._tables / name).read_text() for name in SYSTEM_TABLES)
        bootstrap = [self._server, "--no-defaults", *self._run_as_root(), f"--datadir={self.folder / 'data'}", "--bootstrap"]
        bootstrap += ["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--max-allowed-packet=8M"]
        made = subprocess.run(bootstrap, cwd=self.folder, input=script, capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"mariadbd --bootstrap failed:\n{made.stdout[-1000:]}{made.stderr[-2000:]}")
        first = self.folder / "first.sql"
        first.write_text(
            f"ALTER USER root@localhost IDENTIFIED BY '{self.superuser_password}';"
            f"\nCREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '{self.superuser_password}';"
            "\nGRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;"
            f"\nCREATE OR REPLACE USER {self.user}@'127.0.0.1' IDENTIFIED BY '{self.password}';"
            f"\nGRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {self.user}@'127.0.0.1';\n"
        )

    def _run_as_root(self) -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []

    def command(self) -> list[str]:
        options = {
            "datadir": self.folder / "data",
            "socket": self.folder / "s",
            "pid-file": self.folder / "pid",
            "bind-address": "127.0.0.1",
            "port": self.port,
            "log-bin": "binlog",
            "server-id": 1,
            "binlog-format": "ROW",
            "binlog-row-image": "FULL",
            "sync-binlog": 0,
            "innodb-flush-log-at-trx-commit": 0,
            "innodb-buffer-pool-size": "32M",
            "innodb-log-file-size": "8M",
            "character-set-server": "utf8mb4",
        }
        first = self.folder / "first.sql"
        once = [f"--init-file={first}"] if first.exists() else []
        settings = [f"--{name}={value}" for name, value in options.items()]
        return [self._server, "--no-defaults", *self._run_as_root(), *settings, *once, "--skip-name-resolve"]

    def is_ready(self) -> bool:
        try:
            self._connect("mysql").close()
        except pymysql.err.OperationalError:
            return False
        return True

    def start(self) -> None:
        super().start()
        # Passwords are set once: a second start must not undo what a test has changed.
        (self.folder / "first.sql").unlink(missing_ok=True)

    def _connect(self, db: str) -> pymysql.connections.Connection[Any]:
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            password=self.superuser_password,
            database=db,
            autocommit=True,
            connect_timeout=5,
        )

    def dsn(self, db: str, user: str | None = None, password: str | None = None) -> str:
        """A connection URL, by default for the ordinary user with its present password."""
        user = self.user if user is None else user
        password = self.password if password is None else password
        return f"mysql://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{self.port}/{quote(db, safe='')}"

    def superuser_dsn(self, db: str = "mysql") -> str:
        """A connection URL of root."""
        return self.dsn(db, "root", self.superuser_password)

    def admin(self, statement: str, db: str = "mysql", values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement as root; return its rows, if it has any."""
        connection = self._connect(db)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def create_database(self) -> str:
        """Make an empty database on which the ordinary user has all rights; return its name."""
        database = f"test_{os.getpid()}_{next(self._numbers)}"
        self.admin(f"CREATE DATABASE `{database}`")
        self.admin(f"GRANT ALL PRIVILEGES ON `{database}`.* TO {self.user}@'127.0.0.1'")
        return database

    def drop_database(self, database: str) -> None:
        """Drop a database, cutting whoever is still connected."""
        self.kill_backends(database)
        self.admin(f"DROP DATABASE IF EXISTS `{database}`")

    def set_password(self, user: str, password: str) -> None:
        """Change a user's password at once; open connections go on, new ones need the new one."""
        self.admin(f"ALTER USER `{user}`@'127.0.0.1' IDENTIFIED BY %s", values=(password,))
        if user == self.user:
            self.password = password

    def kill_backends(self, database: str) -> int:
        """Cut every connection to a database; return how many."""
        held = self.admin("SELECT id FROM information_schema.processlist WHERE db = %s", values=(database,))
        for (number,) in held:
            try:
                self.admin(f"KILL {int(number)}")
            except pymysql.err.OperationalError as gone:
                if gone.args[0] != pymysql.constants.ER.NO_SUCH_THREAD:
                    raise
        return len(held)
