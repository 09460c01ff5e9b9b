"""`information_schema` as a run sees it: what is staged stands in it under its published name.

Packages ask it which tables there are and which columns they have, while their parents of this run are staged and not yet published
(LAKE.md 14). Views in the staging database answer instead of the engine's own.
"""

from __future__ import annotations

import re

from headgate.ports.engine import Cursor
from headgate.spec.names import quote_ident, quote_literal

SCHEMA = "_information"
_VIEWS = {"tables": "table", "columns": "table", "views": "table", "schemata": "schema"}
_NAME = r'(?:"?{catalog}"?\s*\.\s*)?"?information_schema"?\s*\.\s*"?({views})"?(?![\w"])'


def create_views(cursor: Cursor, lake: str, staging: str) -> None:
    """Make the views in `staging`; what is staged hides what is published under the same name."""
    cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {staging}.{SCHEMA}")
    here, there = quote_literal(staging), quote_literal(lake)
    for view, kind in _VIEWS.items():
        catalog, schema = ("table_catalog", "table_schema") if kind == "table" else ("catalog_name", "schema_name")
        own = f"{catalog} = {here} AND NOT starts_with({schema}, '_')"
        key = f"({schema}, table_name)" if kind == "table" else schema
        source = f"system.information_schema.{view}"
        cursor.execute(
            f"CREATE OR REPLACE VIEW {staging}.{SCHEMA}.{view} AS SELECT * REPLACE ({there} AS {catalog}) FROM {source} WHERE {own} UNION ALL "
            f"SELECT * FROM {source} WHERE {catalog} <> {here} AND NOT ({catalog} = {there} AND ({schema} = 'headgate' OR "
            f"{key} IN (SELECT {key} FROM {source} WHERE {own})))"
        )


def asks(sql: str) -> bool:
    """Whether a statement names the information schema at all."""
    return "information_schema" in sql or "INFORMATION_SCHEMA" in sql or "information_schema" in sql.lower()


def seen_from(sql: str, lake: str, staging: str) -> str:
    """The statement with the information schema of this lake, or of no database in particular, replaced by the run's own view of it."""
    catalog = f"(?:{re.escape(lake)}|{re.escape(staging)})"
    pattern = re.compile(_NAME.format(catalog=catalog, views="|".join(_VIEWS)), re.IGNORECASE)
    return pattern.sub(lambda m: f"{staging}.{SCHEMA}.{quote_ident(m[1].lower())}", sql)
