"""What `ref()`, `source()` and `this` give to a template: small objects that print as a quoted three-part name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headgate.spec.names import Relation, quote_ident

_KEYS = ("database", "schema", "identifier", "type")


def _chosen(given: tuple[bool | None, bool | None, bool | None], before: tuple[bool, bool, bool]) -> tuple[bool, bool, bool]:
    a, b, c = (old if value is None else value for value, old in zip(given, before, strict=True))
    return a, b, c


class TemplateRelation(Mapping[str, Any]):
    """A relation inside a template. Printed it is `"database"."schema"."identifier"`, less the parts that `include` left out.

    It is a mapping as well, with a `metadata.type`, because packages tell a relation by that.
    """

    __slots__ = ("_parts", "_quoted", "database", "identifier", "schema", "type")

    def __init__(
        self,
        database: str | None,
        schema: str | None,
        identifier: str | None,
        type: str | None = None,
        parts: tuple[bool, bool, bool] = (True, True, True),
        quoted: tuple[bool, bool, bool] = (True, True, True),
    ) -> None:
        self.database, self.schema, self.identifier, self.type = database, schema, identifier, type
        self._parts, self._quoted = parts, quoted

    @staticmethod
    def create(
        database: str | None = None, schema: str | None = None, identifier: str | None = None, type: str | None = None, **_: Any
    ) -> TemplateRelation:
        """A relation by its parts (`api.Relation.create`)."""
        return TemplateRelation(database, schema, identifier, type)

    @staticmethod
    def add_ephemeral_prefix(name: str) -> str:
        """The name of an ephemeral model's common table expression."""
        return f"__dbt__cte__{name}"

    def __getitem__(self, key: str) -> Any:
        if key == "metadata":
            return {"type": "HeadgateRelation"}
        if key not in _KEYS:
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter((*_KEYS, "metadata"))

    def __len__(self) -> int:
        return len(_KEYS) + 1

    @property
    def name(self) -> str | None:
        """The identifier."""
        return self.identifier

    @property
    def table(self) -> str | None:
        """The identifier."""
        return self.identifier

    @property
    def is_table(self) -> bool:
        """Known to be a table."""
        return self.type == "table"

    @property
    def is_view(self) -> bool:
        """Known to be a view."""
        return self.type == "view"

    @property
    def is_cte(self) -> bool:
        """A common table expression: never."""
        return False

    def render(self) -> str:
        """The name as SQL."""
        values = (self.database, self.schema, self.identifier)
        chosen = zip(values, self._parts, self._quoted, strict=True)
        return ".".join(quote_ident(v) if q else v for v, shown, q in chosen if shown and v)

    def include(
        self, database: bool | None = None, schema: bool | None = None, identifier: bool | None = None
    ) -> TemplateRelation:
        """The same relation, printed with or without the parts named; the others stay as they are."""
        return self._with(parts=_chosen((database, schema, identifier), self._parts))

    def quote(self, database: bool | None = None, schema: bool | None = None, identifier: bool | None = None) -> TemplateRelation:
        """The same relation, printed with or without quotes around the parts named."""
        return self._with(quoted=_chosen((database, schema, identifier), self._quoted))

    def incorporate(self, path: dict[str, str | None] | None = None, type: str | None = None, **_: Any) -> TemplateRelation:
        """The same relation with other parts (`path`) or another type."""
        return self.replace_path(**(path or {}))._with(type=type or self.type)

    def replace_path(self, **parts: str | None) -> TemplateRelation:
        """The same relation with other parts."""
        return self._with(**{k: v for k, v in parts.items() if k in ("database", "schema", "identifier")})

    def without_identifier(self) -> TemplateRelation:
        """The schema alone."""
        return self.include(identifier=False)

    def information_schema(self, view: str | None = None) -> TemplateRelation:
        """The information schema of the relation's database."""
        return TemplateRelation(self.database, "information_schema", view, quoted=(True, False, False))

    def _with(self, **changes: Any) -> TemplateRelation:
        values: dict[str, Any] = {
            "database": self.database,
            "schema": self.schema,
            "identifier": self.identifier,
            "type": self.type,
            "parts": self._parts,
            "quoted": self._quoted,
        }
        return type(self)(**(values | changes))

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        return f"<relation {self.render()}>"

    def __hash__(self) -> int:
        return hash((self.database, self.schema, self.identifier))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TemplateRelation) and (
            (self.database, self.schema, self.identifier) == (other.database, other.schema, other.identifier)
        )


class Subquery(TemplateRelation):
    """An ephemeral model: printed it is a name that the caller puts a common table expression under."""

    __slots__ = ()

    def render(self) -> str:
        """The name of the common table expression."""
        return quote_ident(self.identifier or "")

    @property
    def is_cte(self) -> bool:
        """Always."""
        return True


def relation_of(relation: Relation, catalog: str, type: str | None = None) -> TemplateRelation:
    """The template's view of a spec relation in `catalog`."""
    return TemplateRelation(catalog, relation.schema, relation.name, type)
