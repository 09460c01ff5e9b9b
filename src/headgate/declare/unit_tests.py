"""`unit_tests:` to unit tests: which model is tried with which rows, and what it should make of them.

Rows are given as mappings, as CSV, or as SQL, in the entry or in a file of `tests/fixtures`; everything that cannot be meant is told here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from headgate.declare import keys, shapes
from headgate.declare.checks import CheckReader
from headgate.declare.document import Entry, Items
from headgate.declare.drafts import Draft
from headgate.declare.folders import SourceFile, read_text
from headgate.declare.linking import Links
from headgate.declare.mistakes import nearest
from headgate.declare.properties import Declared, Properties, severity_for, tags_of
from headgate.declare.reading import Reading
from headgate.declare.resources import entry_config, fqn_of
from headgate.spec.declared import GivenRows, UnitTest

THIS = "this"
_FORMATS = ("dict", "csv", "sql")


class UnitTestReader:
    """Reads the unit tests of a project."""

    def __init__(self, links: Links, checks: CheckReader, reading: Reading) -> None:
        self.links, self.checks, self.reading, self.m = links, checks, reading, reading.mistakes
        self.fixtures: dict[tuple[str, str], SourceFile] = {}
        for file in reading.files.of("fixtures"):
            self.fixtures[file.package, file.stem] = file

    def read(self, properties: Properties) -> dict[str, UnitTest]:
        """All unit tests that are switched on, one for each version of a versioned model, by unique id."""
        found: dict[str, UnitTest] = {}
        for declared in properties.of("unit_tests"):
            for test in self._tests(declared):
                first = found.setdefault(test.unique_id, test)
                if first is not test:
                    what = f"unit test '{test.name}' of '{test.model}' stands twice (first at {first.location})"
                    self.m.add("HG-D020", test.location, what, expected="names that differ")
        return found

    def _tests(self, declared: Declared) -> list[UnitTest]:
        entry = declared.entry
        name = shapes.required_name(entry, "a unit test", self.m, identifier=not self.reading.settings.dbt)
        if name is None:
            return []
        who = f"unit test '{name}'"
        severity = severity_for(declared.package, self.reading.settings.name, self.reading.settings.dbt)
        shapes.known_keys(entry, keys.UNIT_TEST_KEYS, who, self.m, severity=severity)
        config = entry_config(entry, declared, "unit_tests", self.reading)
        if config.get("enabled") is False:
            return []
        models = self._models(entry, declared.package, who)
        expect = entry.get("expect")
        if not isinstance(expect, Entry):
            self.m.add("HG-D014", entry.at("name"), f"{who} has no 'expect'", expected="expect: { rows: [ … ] }")
            return []
        given = [self._rows(item, declared, who, models) for item in shapes.entries(entry, "given", self.m)]
        wanted = self._rows(expect, declared, who, models, expected=True)
        if wanted is None or any(rows is None for rows in given):
            return []
        overrides = shapes.mapping(entry, "overrides", self.m)
        shapes.known_keys(overrides, ("macros", "vars", "env_vars"), f"'overrides' of {who}", self.m, severity=severity)
        return [
            UnitTest(
                unique_id=f"unit_test.{declared.package}.{model.name}.{name}" + (f"_v{model.version}" if model.version else ""),
                name=name,
                package=declared.package,
                location=entry.at("name"),
                model=model.unique_id,
                given=tuple(rows for rows in given if rows is not None),
                expect=wanted,
                overrides={key: shapes.plain(value) for key, value in overrides.items() if isinstance(value, Entry)},
                description=str(entry.get("description") or ""),
                path=declared.file.inner,
                fqn=fqn_of(declared.file, model.name, name),
                depends_on=(model.unique_id,),
                version=model.version,
                config=config,
                tags=tags_of(entry.get("tags"), config.get("tags")),
                meta=config.get("meta") or {},
            )
            for model in models
        ]

    def _models(self, entry: Entry, package: str, who: str) -> list[Draft]:
        """The model that is tried; of a versioned one, every version that `versions:` leaves."""
        name = entry.get("model")
        if not isinstance(name, str):
            self.m.add("HG-D014", entry.at("name"), f"{who} has no 'model'", expected="model: the model's name")
            return []
        found = [d for d in self.links.by_name.get(name, ()) if d.resource_type == "model" and d.package == package]
        enabled = [d for d in found if d.enabled]
        if not enabled and not found:
            known = [d.name for d in self.links.nodes.values() if d.resource_type == "model"]
            self.m.add(
                "HG-D030", entry.value_at("model"), f"{who} tries model '{name}', which does not exist", expected="a model of the project",
                suggestion=nearest(name, known),
            )  # fmt: skip
        rules = shapes.mapping(entry, "versions", self.m)
        include, exclude = (rules.get(key) for key in ("include", "exclude"))
        if isinstance(include, list):
            enabled = [d for d in enabled if d.version in [str(v) for v in include]]
        if isinstance(exclude, list):
            enabled = [d for d in enabled if d.version not in [str(v) for v in exclude]]
        return enabled

    def _rows(
        self, item: Entry, declared: Declared, who: str, models: list[Draft], *, expected: bool = False
    ) -> GivenRows | None:
        """Given or expected rows; None and a mistake for what cannot be read."""
        what = f"'expect' of {who}" if expected else f"an input of {who}"
        allowed = ("rows", "format", "fixture") if expected else ("input", "rows", "format", "fixture")
        severity = severity_for(declared.package, self.reading.settings.name, self.reading.settings.dbt)
        shapes.known_keys(item, allowed, what, self.m, severity=severity)
        written = "" if expected else str(item.get("input") or "").strip()
        unique_id = "" if expected else self._input(written, item, declared.package, who, models)
        form = item.get("format", "dict")
        if unique_id is None or not shapes.one_of(form, _FORMATS, "format", item.value_at("format"), self.m):
            return None
        rows, fixture = item.get("rows"), item.get("fixture")
        text = rows if isinstance(rows, str) else None
        if fixture is not None:
            text = self._fixture(str(fixture), declared.package, item, what)
            if text is None:
                return None
        if form == "sql":
            if text is None:
                self.m.add(
                    "HG-D014", item.location, f"{what} has format sql and no query", expected="rows: a SELECT, or a fixture"
                )
                return None
            return GivenRows(unique_id, form, sql=text.strip().rstrip(";"), fixture=fixture, written=written)
        if form == "csv" and text is not None:
            return GivenRows(unique_id, form, rows=csv_rows(text), fixture=fixture, written=written)
        if rows is None and form == "dict" and not expected:
            seed = self._seed_rows(unique_id)
            if seed is not None:
                return GivenRows(unique_id, form, rows=seed, written=written)
        if isinstance(rows, Items) and all(isinstance(row, Entry) for row in rows):
            return GivenRows(unique_id, form, rows=tuple(shapes.plain(row) for row in rows), written=written)
        if rows is None and not expected and form == "dict":
            return GivenRows(unique_id, form, rows=(), written=written)
        place = item.value_at("rows") if "rows" in item else item.location
        wanted = "CSV text, or a fixture" if form == "csv" else "a list of rows such as {id: 1}"
        self.m.add("HG-D012", place, f"the rows of {what} are {shapes.told(rows)}", expected=wanted)
        return None

    def _input(self, written: str, item: Entry, package: str, who: str, models: list[Draft]) -> str | None:
        if written == THIS:
            return THIS
        place = item.value_at("input") if "input" in item else item.location
        before = len(self.m.errors)
        found = self.checks.reference(written, package, place, who)
        if found is None and len(self.m.errors) == before:
            self.m.add(
                "HG-D012", place, f"input '{written}' of {who} is no reference", expected="ref('…'), source('…', '…') or this"
            )
        return THIS if found is not None and [m.unique_id for m in models] == [found] else found

    def _fixture(self, name: str, package: str, item: Entry, what: str) -> str | None:
        file = self.fixtures.get((package, name.removesuffix(".csv").removesuffix(".sql")))
        if file is None:
            known = [stem for owner, stem in self.fixtures if owner == package]
            self.m.add(
                "HG-D022", item.value_at("fixture"), f"{what} names fixture '{name}', which does not exist",
                expected="a file in tests/fixtures, without its ending", suggestion=nearest(name, known),
            )  # fmt: skip
            return None
        return read_text(self.reading.settings.root, file.path, self.m)

    def _seed_rows(self, unique_id: str) -> tuple[Mapping[str, Any], ...] | None:
        """The rows of a seed that is an input without rows of its own: the file's."""
        draft = self.links.nodes.get(unique_id)
        if draft is None or draft.resource_type != "seed":
            return None
        text = read_text(self.reading.settings.root, draft.file.path, self.m)
        return None if text is None else csv_rows(text, str(draft.value("delimiter", ",")))


def csv_rows(text: str, delimiter: str = ",") -> tuple[Mapping[str, Any], ...]:
    """The rows of a CSV text; empty cells are NULL."""
    reader = csv.DictReader(io.StringIO(text.strip()), delimiter=delimiter, skipinitialspace=True)
    return tuple({str(k): (None if v in ("", None) else v) for k, v in row.items() if k is not None} for row in reader)
