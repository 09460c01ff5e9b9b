"""The entries under `macros`: every macro of project, packages and the built-in library with its text and the macros that it calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headgate.spec.declared import Resource

_BLOCK = re.compile(
    r"(?:\s*\{%-|\{%\+?)\s*(?P<kind>macro|test|data_test|materialization)\s+(?P<name>[A-Za-z_]\w*)"
    r"(?:\s*,\s*(?:(?P<default>default)|adapter\s*=\s*['\"](?P<adapter>\w+)['\"]))?[^%]*?"
    r"(?:supported_languages\s*=\s*\[(?P<languages>[^\]]*)\])?.*?%\}.*?"
    r"\{%[-+]?\s*end(?:macro|test|data_test|materialization)\s*(?:-%\}\s*|\+?%\})",
    re.S,
)
_COMMENT = re.compile(r"\{#.*?#\}", re.S)
_CALL = re.compile(r"(?<![\w.'\"])(?:(?P<package>[A-Za-z_]\w*)\.)?(?P<name>[A-Za-z_]\w*)\s*\(")
_DISPATCH = re.compile(
    r"adapter\.dispatch\(\s*(?:macro_name\s*=\s*)?['\"](?P<name>\w+)['\"]\s*(?:,\s*(?:macro_namespace\s*=\s*)?['\"](?P<package>\w+)['\"])?"
)
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_FAIL_CALC = re.compile(r"config\(\s*fail_calc\s*=\s*(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<name>\w+))")
_JINJA = re.compile(r"\{[{%].*?[%}]\}", re.S)
_PREFIXES = ("duckdb__", "default__")
BUILTIN = "dbt"
_NATIVE = ("is_incremental", "should_full_refresh", "statement", "run_query")
"""Macros of dbt that are functions here: their entries stand for them, so that whoever depends on them finds something."""


@dataclass(frozen=True, slots=True)
class MacroSource:
    """A file of macros: `path` within its package."""

    package: str
    path: str
    text: str


def macro_entries(
    files: Iterable[MacroSource], described: Mapping[str, Resource], root: str, created_at: float
) -> dict[str, dict[str, Any]]:
    """All macros by unique id. `described` are the entries of `macros:` in property files by unique id, `root` the project's own package."""
    found: dict[str, dict[str, Any]] = {}
    for file in files:
        whole = file.text.strip()  # as dbt reads it
        for block in _BLOCK.finditer(_without_comments(whole)):
            name = _name(block)
            unique_id = f"macro.{file.package}.{name}"
            text = whole[block.start() : block.end()]
            found.setdefault(
                unique_id, _entry(file, name, unique_id, text, block["languages"], described.get(unique_id), created_at)
            )
    ours = [uid.split(".", 2)[2] for uid in found if uid.startswith(f"macro.{BUILTIN}.")]
    for name in (*_NATIVE, *dict.fromkeys(n.partition("__")[2] for n in ours if n.startswith(_PREFIXES))):
        body = "{# built in #}" if name in _NATIVE else f"{{{{ adapter.dispatch('{name}', '{BUILTIN}')(*varargs, **kwargs) }}}}"
        text = f"{{% macro {name}() %}}{body}{{% endmacro %}}"
        unique_id = f"macro.{BUILTIN}.{name}"
        builtin = MacroSource(BUILTIN, "macros/native.sql", text)
        found.setdefault(unique_id, _entry(builtin, name, unique_id, text, None, None, created_at))
    for entry in found.values():
        entry["depends_on"]["macros"] = calls(entry["macro_sql"], entry["package_name"], root, found, entry["unique_id"])
    return found


def _without_comments(text: str) -> str:
    """The text with its comments made unreadable, so that places stay and blanks beside a comment end at it."""
    return _COMMENT.sub(lambda m: "\0" * len(m[0]), text)


def _name(block: re.Match[str]) -> str:
    if block["kind"] == "macro":
        return block["name"]
    if block["kind"] == "materialization":
        return f"materialization_{block['name']}_{block['adapter'] or 'default'}"
    return f"test_{block['name']}"


def _entry(
    file: MacroSource, name: str, unique_id: str, text: str, languages: str | None, said: Resource | None, created_at: float
) -> dict[str, Any]:
    arguments = said.said.get("arguments") if said else None
    known = re.findall(r"\w+", languages or "")
    return {
        "name": name,
        "resource_type": "macro",
        "package_name": file.package,
        "path": file.path,
        "original_file_path": file.path,
        "unique_id": unique_id,
        "macro_sql": text,
        "depends_on": {"macros": []},
        "description": said.description if said else "",
        "meta": dict(said.meta) if said else {},
        "docs": {"show": True, "node_color": None, **(said.said.get("docs") or {} if said else {})},
        "patch_path": f"{said.package}://{said.path}" if said else None,
        "arguments": [{"type": None, "description": "", **a} for a in arguments or () if isinstance(a, Mapping)],
        "created_at": created_at,
        "supported_languages": known or (["sql"] if name.startswith("materialization_") else None),
    }


def calls(text: str, package: str, root: str, known: Mapping[str, Any], own: str = "") -> list[str]:
    """The macros that a text of `package` calls itself, in the order in which they are first called. `own` is the text's own id."""
    if "{{" not in text and "{%" not in text:
        return []
    found: dict[str, None] = {}
    for part in _JINJA.finditer(_without_comments(text)):
        for dispatch in _DISPATCH.finditer(part[0]):
            target = _dispatched(dispatch["name"], dispatch["package"] or package, root, known)
            found.update({target: None} if target else {})
        code = _STRING.sub("''", part[0])
        for call in _CALL.finditer(code):
            if code[: call.start()].rstrip().endswith("|"):
                continue  # a filter
            target = _called(call["name"], call["package"], package, root, known)
            found.update({target: None} if target and target != own else {})
    return list(found)


def said_fail_calc(text: str) -> str | None:
    """The `fail_calc` that a macro's text sets with `config()`: a text, or a block that it has put into a name."""
    found = _FAIL_CALC.search(_without_comments(text))
    if found is None:
        return None
    if not found["name"]:
        return found["single"] or found["double"]
    block = re.search(rf"\{{%-?\s*set\s+{found['name']}\s*-?%\}}(?P<body>[^{{}}]*)\{{%-?\s*endset\s*-?%\}}", text)
    return block["body"] if block else None


def used_of(found: Iterable[str], used: Iterable[str]) -> list[str]:
    """Of the macros `found` in a text those that it really called when it was rendered: they, or what they dispatch to, are in `used`."""
    known = set(used)
    ends = {uid.split(".", 2)[2].partition("__")[2] for uid in known}
    return [uid for uid in found if uid in known or uid.split(".", 2)[2] in ends or uid.split(".", 2)[2] in _NATIVE]


def _called(name: str, namespace: str | None, package: str, root: str, known: Mapping[str, Any]) -> str | None:
    searched = (namespace,) if namespace else (package, root, BUILTIN)
    direct = next((f"macro.{p}.{name}" for p in searched if f"macro.{p}.{name}" in known), None)
    if direct is None and (namespace in (None, BUILTIN)):
        return _dispatched(name, BUILTIN, root, known)
    return direct


def _dispatched(name: str, namespace: str, root: str, known: Mapping[str, Any]) -> str | None:
    order = dict.fromkeys((root, namespace, BUILTIN))
    candidates = (f"macro.{package}.{prefix}{name}" for package in order for prefix in _PREFIXES)
    return next((c for c in candidates if c in known), None)
