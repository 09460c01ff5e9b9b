"""DuckDB extensions from their wheels, by path: nothing is fetched from a network, ever."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from headgate.ports.engine import Cursor
from headgate.spec.errors import WorldError
from headgate.spec.names import quote_literal

_EXTRAS = {"postgres_scanner": "postgres", "mysql_scanner": "mysql", "httpfs": "remote", "avro": "formats", "excel": "formats"}


@cache
def extension_path(name: str) -> str:
    """The file of extension `name` in its wheel `duckdb_extension_<name>`. Raises WorldError with the command that installs
    it."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        for found in sorted(Path(folder).rglob("*.duckdb_extension")):
            return str(found)
    extra = _EXTRAS.get(name)
    install = f"'headgate[{extra}]'" if extra else f"duckdb-extension-{name.replace('_', '-')}==1.5.5"
    raise WorldError(f"DuckDB's extension '{name}' is not installed", todo=f"run: pip install {install}")


def load_extension(cursor: Cursor, name: str) -> None:
    """LOAD the extension into this database instance; loading twice does nothing."""
    cursor.execute(f"LOAD {quote_literal(extension_path(name))}")


def load_named(cursor: Cursor, name: str) -> None:
    """LOAD an extension that a project names: one of the engine's own, or one from its wheel. Raises WorldError."""
    found = cursor.execute(f"SELECT loaded FROM duckdb_extensions() WHERE extension_name = {quote_literal(name)}").fetchone()
    if not (found and found[0]):
        load_extension(cursor, name)
