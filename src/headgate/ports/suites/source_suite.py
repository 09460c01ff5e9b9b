"""What every connector must hold, as tests to inherit: a connector's test is a subclass that says how to change the source.

The subclass runs against the real thing and gives the methods that raise NotImplementedError below, plus `land`, which
extracts once and appends to a raw table as a run does. Rows of the trial table: `id` (number, key), `name` (text),
`updated_at` (a time).
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from headgate.spec.errors import CredentialRefused, SourceBroken, SourceUnavailable, WorldError
from headgate.spec.positions import Position, Unit
from headgate.spec.project import SourceTable

Row = tuple[int, str, str]  # id, name, updated_at as "YYYY-MM-DD HH:MM:SS"


class SourceSuite:
    """Inherit in a test module; name the class `Test…`. Switches say what the kind of source has."""

    has_cursor: ClassVar[bool] = True
    has_credentials: ClassVar[bool] = True
    has_network: ClassVar[bool] = True

    # -- what the subclass gives -----------------------------------------------------------------------------------

    @abstractmethod
    def put(self, rows: Sequence[Row]) -> None:
        """Make the trial table if need be; insert the rows, or update those whose id is there."""
        raise NotImplementedError

    @abstractmethod
    def table(self, **fields: Any) -> SourceTable:
        """The trial table as declared, keyed by `id`; `fields` (cursor, lookback, name, …) go to SourceTable."""
        raise NotImplementedError

    @abstractmethod
    def land(self, table: SourceTable, *, position: Position | None = None, **terms: Any) -> int:
        """Extract once from the last position (or the one given) and append to raw; returns the rows appended."""
        raise NotImplementedError

    @abstractmethod
    def raw(self) -> list[tuple[int, str]]:
        """(id, name) of every raw row, sorted."""
        raise NotImplementedError

    @abstractmethod
    def position(self) -> Position:
        """The position of the last landing."""
        raise NotImplementedError

    def refused(self) -> SourceTable:
        """The trial table with a credential that the source refuses."""
        raise NotImplementedError

    def unreachable(self) -> SourceTable:
        """The trial table at an address where nobody listens, with few retries."""
        raise NotImplementedError

    def unknown(self) -> SourceTable:
        """A table that the source does not have, but almost: one letter off the trial table's name."""
        raise NotImplementedError

    def connections(self) -> int:
        """How many connections or attached files the connector holds at this moment."""
        raise NotImplementedError

    # -- what must hold --------------------------------------------------------------------------------------------

    def cursor(self) -> Mapping[str, Any]:
        return {"cursor": "updated_at"} if self.has_cursor else {}

    def test_a_full_extraction_has_every_row_once(self) -> None:
        self.put([(i, f"n{i}", "2024-01-01 00:00:00") for i in range(50)])
        assert self.land(self.table()) == 50
        assert self.raw() == sorted((i, f"n{i}") for i in range(50))

    def test_a_second_extraction_without_a_change_gives_nothing(self) -> None:
        self.put([(1, "a", "2024-01-01 00:00:00"), (2, "b", "2024-01-02 00:00:00")])
        table = self.table(**self.cursor())
        assert self.land(table) == 2
        before = self.position()
        assert self.land(table) == 0
        assert self.position().state == before.state

    def test_new_and_changed_rows_are_appended_and_no_other(self) -> None:
        self.put([(1, "a", "2024-01-01 00:00:00"), (2, "b", "2024-01-02 00:00:00")])
        table = self.table(**self.cursor())
        self.land(table)
        self.put([(1, "a2", "2024-01-03 00:00:00"), (3, "c", "2024-01-03 00:00:00")])
        assert self.land(table) == 2
        assert self.raw() == [(1, "a"), (1, "a2"), (2, "b"), (3, "c")]

    def test_rows_that_tie_with_the_position_come_exactly_once(self) -> None:
        self.put([(1, "a", "2024-01-01 00:00:00"), (2, "b", "2024-01-02 00:00:00")])
        table = self.table(**self.cursor())
        self.land(table)
        self.put([(3, "c", "2024-01-02 00:00:00")])
        assert self.land(table) == 1
        self.put([(4, "d", "2024-01-02 00:00:00"), (5, "e", "2024-01-02 00:00:00")])
        assert self.land(table) == 2
        assert self.land(table) == 0
        assert self.raw() == [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]

    def test_late_rows_within_the_lookback_come_exactly_once(self) -> None:
        self.put([(1, "a", "2024-01-01 00:00:00"), (2, "b", "2024-01-02 12:00:00")])
        table = self.table(**{**self.cursor(), **({"lookback": 3600.0} if self.has_cursor else {})})
        self.land(table)
        self.put([(3, "late", "2024-01-02 11:30:00")])
        assert self.land(table) == 1
        assert self.land(table) == 0
        assert self.raw() == [(1, "a"), (2, "b"), (3, "late")]

    def test_a_position_survives_json(self) -> None:
        self.put([(1, "a", "2024-01-01 00:00:00")])
        table = self.table(**self.cursor())
        self.land(table)
        stored = json.loads(json.dumps(asdict(self.position())))
        units = {name: Unit(**unit) for name, unit in stored["units"].items()}
        self.put([(2, "b", "2024-01-01 00:00:00")])
        assert self.land(table, position=Position(stored["state"], units)) == 1

    def test_an_empty_table_is_no_error_and_its_first_rows_come(self) -> None:
        self.put([])
        table = self.table(**self.cursor())
        assert self.land(table) == 0
        self.put([(1, "a", "2024-01-01 00:00:00")])
        assert self.land(table) == 1

    def test_asking_for_everything_again_doubles_nothing(self) -> None:
        self.put([(1, "a", "2024-01-01 00:00:00"), (2, "b", "2024-01-02 00:00:00")])
        table = self.table(**self.cursor())
        self.land(table)
        assert self.land(table, full=True) == 0

    def test_a_refused_credential_has_its_own_error_without_the_secret(self) -> None:
        if not self.has_credentials:
            return
        self.put([])
        error = self._error(CredentialRefused, self.refused())
        assert "not-the-password" not in str(error)

    def test_an_unreachable_source_is_unavailable(self) -> None:
        if not self.has_network:
            return
        assert self._error(SourceUnavailable, self.unreachable()).retryable

    def test_an_unknown_table_is_broken_and_the_nearest_is_named(self) -> None:
        self.put([(1, "a", "2024-01-01 00:00:00")])
        error = self._error(SourceBroken, self.unknown())
        assert error.todo or error.expected

    def test_closing_frees_the_connections(self) -> None:
        self.put([(1, "a", "2024-01-01 00:00:00")])
        before = self.connections()
        self.land(self.table(**self.cursor()))
        assert self.connections() <= before

    def _error(self, kind: type[WorldError], table: SourceTable) -> WorldError:
        try:
            self.land(table)
        except kind as error:
            return error
        raise AssertionError(f"expected {kind.__name__}")
