"""DuckDB's extensions, loaded from their wheels: nothing is downloaded."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from headgate.ports.engine import Cursor
from headgate.spec.errors import WorldError
from headgate.spec.names import quote_literal


@cache
def extension_path(name: str) -> str:
    """The file of extension `name` (e.g. "postgres_scanner"). Raises WorldError with the command that installs it."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for found in sorted(Path(folder).rglob("*.duckdb_extension")):
            return str(found)
    raise WorldError(
        f"DuckDB's extension {name} is not installed", todo=f"run: pip install 'duckdb-extension-{name.replace('_', '-')}==1.5.5'"
    )


def load_extension(cursor: Cursor, name: str) -> None:
    """LOAD extension `name` into the instance of `cursor`; loading twice does no harm."""
    cursor.execute(f"LOAD {quote_literal(extension_path(name))}")
