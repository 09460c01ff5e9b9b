"""Enforced contracts: what they need to be declared, and their constraints as checks that the gate weighs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headgate.declare.checks import CheckReader
from headgate.declare.drafts import Draft
from headgate.declare.properties import columns_of, constraints_of
from headgate.declare.reading import Reading
from headgate.spec.declared import Constraint
from headgate.spec.errors import Location
from headgate.spec.project import CheckSpec

PREFIX = "constraint."
"""Begins the unique ids of checks that are constraints."""
_BUILT = ("table", "incremental")
_DESCRIBED = (*_BUILT, "view")


def enforced(config: Mapping[str, Any]) -> bool:
    """Whether a node's contract is enforced."""
    contract = config.get("contract")
    return isinstance(contract, Mapping) and contract.get("enforced") is True


def contract_checks(drafts: Iterable[Draft], checks: CheckReader, reading: Reading) -> dict[str, CheckSpec]:
    """The constraints of all models with an enforced contract, as checks by unique id. A view has none, as in dbt."""
    found: dict[str, CheckSpec] = {}
    for draft in drafts:
        if draft.resource_type == "model" and enforced(draft.config.values):
            for made in _Contract(draft, checks, reading).checks():
                found[made.unique_id] = made
    return found


class _Contract:
    def __init__(self, draft: Draft, checks: CheckReader, reading: Reading) -> None:
        self.draft, self.reader, self.reading, self.m = draft, checks, reading, reading.mistakes
        self.who = f"model '{draft.name}'"
        self.made: list[CheckSpec] = []

    @property
    def place(self) -> Location:
        """Where the contract was set."""
        return self.draft.config.places.get("contract", self.draft.location)

    def checks(self) -> list[CheckSpec]:
        """Check the declaration, and make the checks."""
        entry = self.draft.patch.entry if self.draft.patch else None
        columns = columns_of(entry)
        untyped = [name for name, column in columns.items() if not column.data_type]
        if not columns or untyped:
            what = f"{self.who} has an enforced contract and " + (
                f"no 'data_type' for {', '.join(map(repr, untyped))}" if untyped else "no columns"
            )
            self.m.add("HG-D065", self.place, what, expected="every column with its 'data_type'")
        if self.draft.language != "sql" or self.draft.materialized not in _DESCRIBED:
            kind = "Python" if self.draft.language != "sql" else self.draft.materialized
            self.m.add(
                "HG-D065",
                self.place,
                f"{self.who} is {kind} and cannot have an enforced contract",
                expected="a SQL table or view",
            )
        if self.draft.materialized not in _BUILT:
            return []
        for name, column in columns.items():
            for constraint in column.constraints:
                self._add(constraint, (name,))
        for constraint in constraints_of(entry):
            self._add(constraint, constraint.columns)
        return self.made

    def _add(self, constraint: Constraint, columns: tuple[str, ...]) -> None:
        """The checks that hold one constraint."""
        kind = constraint.type
        if kind in ("not_null", "primary_key"):
            for column in columns:
                self._check(constraint, "not_null", column, {})
        if kind in ("unique", "primary_key") and columns:
            if len(columns) == 1:
                self._check(constraint, "unique", columns[0], {})
            else:
                self._check(constraint, "unique_combination_of_columns", None, {"combination_of_columns": list(columns)})
        if kind == "check" and constraint.expression:
            self._check(constraint, "expression_is_true", None, {"expression": f"coalesce(({constraint.expression}), true)"})
        if kind == "foreign_key" and constraint.to and len(columns) == len(constraint.to_columns) == 1:
            to = self.reader.reference(constraint.to, self.draft.package, self.draft.location, self.who)
            if to is not None:
                self._check(constraint, "relationships", columns[0], {"to": to, "field": constraint.to_columns[0]}, to)
        elif kind in ("custom", "foreign_key"):
            what = f"a {kind.replace('_', ' ')} constraint of {self.who} is kept and not enforced"
            self.m.add("HG-D065", self.draft.location, what, expected="a test that says the same", severity="notice")

    def _check(self, constraint: Constraint, kind: str, column: str | None, arguments: dict[str, Any], *depends: str) -> None:
        uid = self.draft.unique_id
        number = sum(1 for made in self.made if made.kind == kind) + 1
        name = constraint.name or f"{constraint.type} of {column or 'the contract'}"
        self.made.append(
            CheckSpec(
                unique_id=f"{PREFIX}{uid.partition('.')[2]}.{kind}.{number}",
                name=name,
                kind=kind,
                package=self.draft.package,
                location=self.draft.patch.entry.location if self.draft.patch else self.draft.location,
                attached_to=uid,
                column=column,
                arguments=arguments,
                depends_on=(uid, *depends),
            )
        )
