"""SQL text to a syntax tree, once; mistakes with their place in the text."""

from __future__ import annotations

import re
from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from headgate.spec.errors import DeclarationError, Diagnostic, Location

_END = "SENTINEL"
_OPENERS = {"'": "a string", '"': "a quoted name", "/*": "a comment", "$$": "a dollar-quoted string"}


class SqlSyntax(DeclarationError):
    """SQL that is no single query. `line` and `column` count from 1 in the text that was given."""

    code = "HG-D050"

    def __init__(self, line: int, column: int, message: str, near: str, todo: str = "") -> None:
        self.line, self.column, self.reason, self.near = line, column, message, near
        place = f"line {line}, column {column}" + (f", near '{near}'" if near else "")
        super().__init__(f"the SQL cannot be read at {place}: {message}", todo=todo)

    def at(self, file: str, line_offset: int = 0) -> DeclarationError:
        """The same mistake as one of the project, placed in `file`; `line_offset` lines come before the SQL."""
        place = Location(file, self.line + line_offset, self.column)
        near = f" near '{self.near}'" if self.near else ""
        found = Diagnostic(self.code, place, f"SQL error{near}: {self.reason}", todo=self.todo)
        return DeclarationError(str(found), code=self.code, diagnostics=(found,))


def parse_select(sql: str, dialect: str = "duckdb") -> exp.Expr:
    """The syntax tree of the one query in `sql`.

    A query is SELECT, FROM, VALUES, a set operation, PIVOT or UNPIVOT, with or without WITH; a closing semicolon is allowed.
    Raises SqlSyntax with the place of the mistake.
    """
    try:
        statements = [s for s in sqlglot.parse(sql, dialect=dialect) if s is not None]
    except ParseError as error:
        raise _from_parser(sql, error) from None
    except TokenError:
        raise _from_tokenizer(sql) from None
    statements = [s for s in statements if not isinstance(s, exp.Semicolon)]
    if not statements:
        raise SqlSyntax(1, 1, "there is no statement", "", "write one SELECT")
    if not isinstance(statements[0], (exp.Query, exp.Pivot, exp.Values)):
        line, column, word = _first_word(sql)
        raise SqlSyntax(line, column, "this is no query", word, "write one SELECT")
    if len(statements) > 1:
        line, column, word = _second_statement(sql, dialect)
        raise SqlSyntax(line, column, "a second statement begins here", word, "keep one query per model")
    return statements[0]


def _from_parser(sql: str, error: ParseError) -> SqlSyntax:
    first = error.errors[0] if error.errors else {}
    near = str(first.get("highlight") or "")
    line, end = int(first.get("line") or 1), int(first.get("col") or 1)
    said = str(first.get("description") or error)
    if _END in said:
        lines = sql.rstrip().splitlines() or [""]
        return SqlSyntax(len(lines), len(lines[-1]) + 1, "the text ends in the middle of the query", near)
    missing = re.match(r"Required keyword: '(\w+)' missing for <class '[\w.]*?(\w+)'>", said)
    if missing:
        said = f"something is missing before this ({missing[2]} lacks its '{missing[1]}')"
    elif said.startswith("Invalid expression"):
        said = "this is not expected here"
    return SqlSyntax(line, max(1, end - len(near) + 1), said, near)


def _from_tokenizer(sql: str) -> SqlSyntax:
    place, opener = _unclosed(sql)
    line, column = _line_column(sql, place)
    near = sql[place : place + 20].splitlines()[0] if sql[place:] else ""
    what = f"{_OPENERS[opener]} is never closed" if opener else "this cannot be read"
    return SqlSyntax(line, column, what, near, f"close it with {opener if opener != '/*' else '*/'}" if opener else "")


def _unclosed(sql: str) -> tuple[int, str]:
    """Where the first quote or comment that never closes begins, and what it is."""
    i = 0
    while i < len(sql):
        two = sql[i : i + 2]
        if two == "--":
            end = sql.find("\n", i)
            i = len(sql) if end < 0 else end + 1
            continue
        opener = two if two in ("/*", "$$") else sql[i] if sql[i] in "'\"" else ""
        if not opener:
            i += 1
            continue
        end = sql.find("*/" if opener == "/*" else opener, i + len(opener))
        if end < 0:
            return i, opener
        i = end + len(opener)
    return max(0, len(sql) - 1), ""


def _line_column(sql: str, place: int) -> tuple[int, int]:
    before = sql[:place]
    return before.count("\n") + 1, place - (before.rfind("\n") + 1) + 1


def _first_word(sql: str) -> tuple[int, int, str]:
    text = re.sub(r"/\*.*?\*/|--[^\n]*", lambda m: re.sub(r"[^\n]", " ", m[0]), sql, flags=re.S)
    found = re.search(r"\S+", text)
    return (*_line_column(sql, found.start()), found[0]) if found else (1, 1, "")


def _second_statement(sql: str, dialect: str) -> tuple[int, int, str]:
    tokens = sqlglot.tokenize(sql, read=dialect)
    for before, token in pairwise(tokens):
        if before.token_type == sqlglot.TokenType.SEMICOLON and token.token_type != sqlglot.TokenType.SEMICOLON:
            return (*_line_column(sql, token.start), token.text)
    return 1, 1, ""
