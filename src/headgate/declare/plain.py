"""The plainest templates without Jinja's compiler.

That is text with `ref`, `source`, `this`, `config` of literals and `if is_incremental()`.

Nine of ten models hold nothing else, and compiling a template costs forty times more than reading these marks. The outcome
is the same as Jinja's, which tests hold; anything else in a template, and Jinja has it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from headgate.declare.sandbox import CompilerError, TemplateFailed
from headgate.declare.syntax import parsed
from headgate.spec.errors import Location

_MARK = re.compile(
    r"\{\{(?P<l1>-?)\s*(?:(?P<this>this)|(?P<call>ref|source|config)\s*\((?P<args>(?:[^{}'\"\\]|'[^'{}\\]*'|\"[^\"{}\\]*\")*)\))\s*(?P<r1>-?)\}\}"
    r"|\{%(?P<l2>-?)\s*(?P<word>if\s+is_incremental\s*\(\s*\)|else|endif)\s*(?P<r2>-?)%\}"
    r"|\{#(?P<l3>-?)[^#]*?(?P<r3>-?)#\}"
)
_ONE = re.compile(r"\s*(?:'([^']*)'|\"([^\"]*)\")\s*\Z")
_WORDS = {"true": True, "false": False, "none": None, "True": True, "False": False, "None": None}


class _NotPlain(Exception):
    """The template needs Jinja."""


class PlainTemplate:
    """A template taken apart. Renders with the same names as a compiled one."""

    __slots__ = ("_file", "_parts")

    def __init__(self, parts: list[Any], file: str) -> None:
        self._parts, self._file = parts, file

    def render(self, names: Mapping[str, Any]) -> str:
        """The text. Raises TemplateFailed."""
        written: list[str] = []
        self._write(self._parts, names, written)
        return "".join(written)

    def _write(self, parts: list[Any], names: Mapping[str, Any], written: list[str]) -> None:
        for part in parts:
            if isinstance(part, str):
                written.append(part)
            elif len(part) == 2:
                self._write(part[0] if names["is_incremental"]() else part[1], names, written)
            else:
                name, args, keywords, line = part
                try:
                    value = names[name] if name == "this" else names[name](*args, **keywords)
                except KeyError:
                    raise TemplateFailed("HG-D042", Location(self._file, line), f"'{name}' is undefined", name) from None
                except CompilerError as error:
                    raise TemplateFailed(error.code, Location(self._file, line), str(error)) from None
                written.append(str(value))


def plain_template(source: str, file: str, first_line: int) -> PlainTemplate | None:
    """The template taken apart, or None when it needs Jinja."""
    try:
        return PlainTemplate(_parts(source.replace("\r\n", "\n"), first_line), file)
    except _NotPlain:
        return None


def _parts(source: str, first_line: int) -> list[Any]:
    done: list[Any] = []
    parts = done
    branches: tuple[list[Any], list[Any]] | None = None
    at, line, trim = 0, first_line, False
    for mark in _MARK.finditer(source):
        text = source[at : mark.start()]
        line += text.count("\n")
        parts.append(_text(text, trim, bool(mark["l1"] or mark["l2"] or mark["l3"])))
        trim, at = bool(mark["r1"] or mark["r2"] or mark["r3"]), mark.end()
        word = mark["word"]
        if mark["this"]:
            parts.append(("this", (), {}, line))
        elif mark["call"]:
            args, keywords = _arguments(mark["args"])
            parts.append((mark["call"], args, keywords, line))
        elif word and word.startswith("if"):
            if branches is not None:
                raise _NotPlain
            branches = ([], [])
            done.append(branches)
            parts = branches[0]
        elif word:
            if branches is None or (word == "else" and parts is branches[1]):
                raise _NotPlain
            parts, branches = (branches[1], branches) if word == "else" else (done, None)
        line += mark[0].count("\n")
    if branches is not None:
        raise _NotPlain
    parts.append(_text(source[at:], trim, False))
    return done


def _text(text: str, trim_left: bool, trim_right: bool) -> str:
    """A piece between marks. Any other mark in it, even a broken one, is Jinja's to judge."""
    if "{{" in text or "{%" in text or "{#" in text or text.endswith("{"):
        raise _NotPlain
    text = text.lstrip() if trim_left else text
    return text.rstrip() if trim_right else text


def _arguments(text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    simple = _ONE.match(text)
    if simple:
        return (simple[1] if simple[1] is not None else simple[2],), {}
    try:
        call = parsed(f"f({text}\n)", mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        raise _NotPlain from None
    if not isinstance(call, ast.Call):
        raise _NotPlain
    args = tuple(_literal(a) for a in call.args)
    keywords = {k.arg: _literal(k.value) for k in call.keywords if k.arg is not None}
    if len(keywords) != len(call.keywords):
        raise _NotPlain
    return args, keywords


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Name) and node.id in _WORDS:
        return _WORDS[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool):
        return node.value
    if isinstance(node, ast.List):
        return [_literal(item) for item in node.elts]
    raise _NotPlain
