"""All mistakes of a project, collected, so that they are told at once and not one at a time."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from headgate.spec.errors import DeclarationError, Diagnostic, Location

# code -> what kind of mistake it is. The reference page is generated from this table.
CODES: Mapping[str, str] = {
    "HG-D001": "the folder is no project",
    "HG-D002": "a file cannot be read",
    "HG-D010": "YAML syntax",
    "HG-D011": "a key stands twice",
    "HG-D012": "a value has the wrong type",
    "HG-D013": "an unknown key",
    "HG-D014": "a required key is missing",
    "HG-D015": "a value is none of those allowed",
    "HG-D016": "a duration cannot be read",
    "HG-D017": "a cron expression cannot be read",
    "HG-D018": "a secret reference is malformed",
    "HG-D019": "a profile or its target is unknown or not offered",
    "HG-D020": "two things share a name",
    "HG-D021": "two things would build one relation",
    "HG-D022": "a property describes something that does not exist",
    "HG-D030": "an unknown ref",
    "HG-D031": "an unknown source",
    "HG-D032": "a reference to something that is switched off",
    "HG-D033": "a circle of references",
    "HG-D034": "a ref that fits several things",
    "HG-D035": "a reference to a model that is private or protected",
    "HG-D036": "a reference to a model that is deprecated",
    "HG-D040": "Jinja syntax",
    "HG-D041": "Jinja fails while rendering",
    "HG-D042": "an unknown name in Jinja",
    "HG-D043": "a variable has no value",
    "HG-D050": "SQL syntax",
    "HG-D051": "Python syntax",
    "HG-D052": "SQL that is known at run time alone",
    "HG-D060": "an unknown materialization",
    "HG-D061": "an incremental model lacks what its strategy needs",
    "HG-D062": "a key and its strategy do not fit",
    "HG-D063": "a snapshot lacks what its strategy needs",
    "HG-D064": "a column that does not exist",
    "HG-D065": "a contract that cannot be enforced, or that a model breaks",
    "HG-D070": "an unknown connector",
    "HG-D071": "a connector's option is wrong or missing",
    "HG-D080": "an unknown test",
    "HG-D081": "a test's argument is wrong or missing",
    "HG-D082": "a test's SQL cannot be run",
    "HG-D090": "a package is missing",
}


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is spelled most like `name`, if one is near enough to be meant."""
    names = list(dict.fromkeys(known))
    lowered = {n.lower(): n for n in reversed(names)}
    if name.lower() in lowered and lowered[name.lower()] != name:
        return lowered[name.lower()]
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if found:
        return found[0]
    close = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    return lowered[close[0]] if close else None


class Mistakes:
    """A collector. Errors make `raise_if_any` raise; warnings and notices are kept for the project.

    `lenient` is true in a dbt project, whose YAML may hold a key twice: the last one counts there.
    """

    def __init__(self, *, lenient: bool = False) -> None:
        self.lenient = lenient
        self._found: dict[tuple[str, str, str], Diagnostic] = {}

    def add(
        self,
        code: str,
        location: Location,
        what: str,
        *,
        expected: str = "",
        todo: str = "",
        suggestion: str | None = None,
        severity: str = "error",
    ) -> None:
        """Keep one mistake; the same at the same place is kept once."""
        assert code in CODES, code
        diagnostic = Diagnostic(code, location, what, expected, todo, suggestion, severity)
        self._found.setdefault((code, str(location), what), diagnostic)

    def keep(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Take over diagnostics found elsewhere (or in an earlier reading)."""
        for d in diagnostics:
            self._found.setdefault((d.code, str(d.location), d.what), d)

    @property
    def found(self) -> tuple[Diagnostic, ...]:
        """Everything found, by file and line."""
        return tuple(sorted(self._found.values(), key=lambda d: (d.location.file, d.location.line, d.location.column, d.code)))

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """What makes the project wrong."""
        return tuple(d for d in self.found if d.severity == "error")

    @property
    def notices(self) -> tuple[Diagnostic, ...]:
        """Warnings and notices: worth a line, no reason to stop."""
        return tuple(d for d in self.found if d.severity != "error")

    def raise_if_any(self, project: str) -> None:
        """Raise DeclarationError with every error, if there is one."""
        errors = self.errors
        if not errors:
            return
        shown = "\n".join(f"  {d}" for d in errors)
        count = "1 mistake" if len(errors) == 1 else f"{len(errors)} mistakes"
        raise DeclarationError(f"project '{project}' has {count}:\n{shown}", code=errors[0].code, diagnostics=self.found)
