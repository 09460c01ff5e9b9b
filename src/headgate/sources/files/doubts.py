"""Values of delimited files that the engine's reader would change in silence, found by one more look at the text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headgate.ports.engine import Cursor
from headgate.sources.files import listing
from headgate.sources.files.listing import FoundFile
from headgate.sources.files.options import FileOptions, is_remote
from headgate.spec.exactness import lossy, texted
from headgate.spec.names import quote_ident, quote_literal

PIECE = 1 << 18
LINE_MAX = 16 << 20
LONG_INTEGER = re.compile(rb"(?<![\w.])[-+]?\d{16,}(?![\w.])")
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL(38,0)")
TIME = "CASE WHEN length({c}) > 10 THEN TRY_CAST({c} AS TIMESTAMP) <> TRY_CAST({c} AS DATE) ELSE false END"


def common_arguments(options: FileOptions) -> dict[str, str]:
    """What the project says, in the words of the engine; the same for looking and for reading."""
    arguments = {
        "header": "true" if options.header else "false",
        "quote": quote_literal(options.quote),
        "escape": quote_literal(options.escape),
        "skip": str(options.skip),
        "encoding": quote_literal(options.encoding),
        "max_line_size": str(LINE_MAX),
        "buffer_size": str(2 * LINE_MAX),  # by itself the engine takes 16 lines: it reads 256 MB to look at a file's head
    }
    if options.null_values:
        arguments["nullstr"] = "[" + ", ".join(quote_literal(n) for n in ("", *options.null_values)) + "]"
    return arguments


@dataclass(frozen=True)
class Look:
    """A look at `files` of one header with `columns` settled; `formats` are those of dates and of moments."""

    files: Sequence[FoundFile]
    columns: Mapping[str, str]
    options: FileOptions
    known: Mapping[str, str]
    delimiter: str
    formats: tuple[str | None, str | None]

    def judged(self, cursor: Cursor, *, declared_alone: bool) -> tuple[dict[str, str], frozenset[str]]:
        """The columns with DOUBLE for integers and TIMESTAMP for dates where any value has a fraction or a time, and text where
        nothing else keeps every value; and those of a declared or standing type with values that the reader would round or cut.
        What a sample shows is not enough. `declared_alone`: the types of the others were found on every value.
        """
        declared = {name.lower() for name in self.options.types}
        standing = {name.lower() for name in self.known} | declared
        asked = {n: t for n, t in self.columns.items() if n.lower() in declared or not declared_alone}
        wider = {
            n: "TIMESTAMP" if t == "DATE" else "DOUBLE"
            for n, t in asked.items()
            if t in (*INTEGERS, "DATE") and n.lower() not in declared
        }
        dates = [n for n in wider if wider[n] == "TIMESTAMP"]
        quick = {n: [f"length({quote_ident(n)}) > 10" if n in dates else self._changes(n, t)] for n, t in asked.items()}
        doubts = [n for n, (yes,) in self._answers(quick, cursor).items() if yes]
        close = {
            n: [self._widens(n, wider[n]), self._changes(n, wider[n]), self._changes(n, asked[n])] for n in doubts if n in wider
        }
        answers = self._answers(close, cursor)
        types, doubtful = dict(self.columns), set()
        for name in doubts:
            widens, still, changes = answers.get(name, (False, False, name not in wider))
            if widens and not still:
                types[name] = wider[name]
            elif (widens or changes) and name.lower() in standing:
                doubtful.add(name)
            elif widens or changes:
                types[name] = "VARCHAR"
        return types, frozenset(doubtful)

    def _changes(self, name: str, type_: str) -> str:
        return lossy(type_, text_of(name, type_), self.formats) or "false"

    def _widens(self, name: str, wider: str) -> str:
        column = quote_ident(name)
        return TIME.format(c=column) if wider == "TIMESTAMP" else f"TRY_CAST({column} AS DOUBLE) IS NOT NULL"

    def _answers(self, questions: Mapping[str, Sequence[str]], cursor: Cursor) -> dict[str, tuple[bool, ...]]:
        """Whether any row says yes, for each column's questions."""
        import duckdb

        real = {name: asked for name, asked in questions.items() if any(q != "false" for q in asked)}
        if not real:
            return {}
        looks = ", ".join(f"bool_or({q})" for asked in real.values() for q in asked)
        try:
            row = iter(cursor.execute(f"SELECT {looks} FROM {self._text(self.files)}").fetchone() or ())
        except duckdb.Error:  # a file that the reader gives up on: reading it says so
            return {}
        return {name: tuple(bool(next(row)) for _ in asked) for name, asked in real.items()}

    def exact_integers(self, file: FoundFile, cursor: Cursor) -> dict[str, str]:
        """Whole numbers beyond 64 bits are sniffed as DOUBLE, which would change them: they become DECIMAL(38,0), or text beyond
        that.
        """
        declared = {name.lower() for name in self.options.types}
        doubles = [n for n, t in self.columns.items() if t == "DOUBLE" and n.lower() not in declared]
        if not doubles or (file.head and not LONG_INTEGER.search(_look_wider(file))):
            return {}
        looks = ", ".join(
            f"bool_and(regexp_full_match({quote_ident(n)}, '[-+]?[0-9]+')), max(length({quote_ident(n)}))" for n in doubles
        )
        cursor.execute(f"SELECT {looks} FROM (FROM {self._text([file])} LIMIT {self.options.sample_rows})")
        row = cursor.fetchone() or ()
        found = {}
        for i, name in enumerate(doubles):
            whole, longest = row[2 * i], row[2 * i + 1]
            if whole and longest and longest > 15:
                found[name] = "DECIMAL(38,0)" if longest <= 38 else "VARCHAR"
        return found

    def _text(self, files: Sequence[FoundFile]) -> str:
        """A reader of the files that takes every value as text."""
        arguments = {**common_arguments(self.options), "delim": quote_literal(self.delimiter), "auto_detect": "false"}
        arguments["ignore_errors"] = "true"
        arguments["columns"] = "{" + ", ".join(f"{quote_literal(n)}: 'VARCHAR'" for n in self.columns) + "}"
        if files[0].compression != "none":
            arguments["compression"] = quote_literal(files[0].compression)
        paths = ", ".join(quote_literal(f.path) for f in files)
        return f"read_csv([{paths}], " + ", ".join(f"{k} = {v}" for k, v in arguments.items()) + ")"


def text_of(name: str, type_: str) -> str:
    """Text column `name` as `lossy` and `misfit` look at it."""
    return quote_ident(name) if texted(type_) == "VARCHAR" else f"TRY_CAST({quote_ident(name)} AS {texted(type_)})"


def _look_wider(file: FoundFile) -> bytes:
    """The head of the file, and a piece of its middle and of its end where they can be had without unpacking."""
    pieces = [file.head if is_remote(file.path) else listing.look(file.path, file.compression)]
    if file.compression == "none" and not is_remote(file.path):
        with Path(file.path).open("rb") as stream:
            for offset in (file.unit.size // 2, max(0, file.unit.size - PIECE)):
                stream.seek(offset)
                pieces.append(stream.read(PIECE))
    return b"\n".join(pieces)
