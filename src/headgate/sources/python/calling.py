"""Find the project's function and call it with a context."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from headgate.ports.source import ExtractRequest
from headgate.ports.tables import nearest
from headgate.spec.errors import DeclarationError


@dataclass(frozen=True, slots=True)
class PositionUpdate:
    """What a function yields to say where it stands: made by `context.position(...)`; counts when the rows before it are
    landed.
    """

    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What a source function is given. `state` is the position that the last accepted load left ({} at first).

    `connection` has its secrets resolved. `since` and `until` bound a backfill (ISO text, half-open). `full`: everything is
    wanted.
    """

    table: str
    state: Mapping[str, Any]
    connection: Any = None
    since: str | None = None
    until: str | None = None
    full: bool = False
    load_id: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def position(self, state: Mapping[str, Any] | None = None, **more: Any) -> PositionUpdate:
        """Yield the result of this to set the position (JSON-able values) that the next load gets as `state`."""
        return PositionUpdate({**(state or {}), **more})


def function_of(request: ExtractRequest) -> Callable[..., Any]:
    """The declared function. Raises DeclarationError when it is outside the project, missing, or its module fails."""
    spec = str(request.table.options.get("function", ""))
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name.isidentifier():
        raise DeclarationError(
            f"function '{spec}' of table '{request.table.name}' cannot be read",
            expected="path/to/file.py:name or module:name",
            todo="correct function:",
        )
    root = Path(request.project_root).resolve()
    path = (root / where if where.endswith(".py") else root.joinpath(*where.split(".")).with_suffix(".py")).resolve()
    if not where.endswith(".py") and not path.is_file():
        path = root.joinpath(*where.split("."), "__init__.py").resolve()
    if not path.is_relative_to(root):
        raise DeclarationError(
            f"function '{spec}' is outside the project's folder",
            expected="a file within it",
            todo="move the file into the project",
        )
    if not path.is_file():
        raise DeclarationError(
            f"there is no file for function '{spec}'", expected=str(path.relative_to(root)), todo="correct function:"
        )
    module = _module(path, root)
    function = getattr(module, name, None)
    if not callable(function):
        names = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise DeclarationError(
            f"{path.relative_to(root)} has no function '{name}'", expected=nearest(name, names), todo="correct function:"
        )
    found: Callable[..., Any] = function
    return found


def _module(path: Path, root: Path) -> ModuleType:
    """The file as a module, read anew for every load; its neighbours in the project can be imported by it."""
    name = "headgate_project_" + hashlib.sha256(str(path).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise DeclarationError(f"{path.name} is no Python file", expected="a file ending in .py", todo="correct function:")
    module = importlib.util.module_from_spec(spec)
    added = [folder for folder in (str(path.parent), str(root)) if folder not in sys.path]
    sys.path[:0] = added
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the boundary to the project's code
        line = _line_in(error, path)
        raise DeclarationError(
            f"{path.relative_to(root)}{line} fails while it is imported: {type(error).__name__}: {error}", todo="correct the file"
        ) from None
    finally:
        for folder in added:
            sys.path.remove(folder)
    return module


def _line_in(error: BaseException, path: Path) -> str:
    """`:<line>` of the last frame within the file, if there is one."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f":{line}" if line else ""


def failure_line(error: BaseException, function: Callable[..., Any]) -> str:
    """Where in the function's file an error came from, as `file.py:line`."""
    path = Path(getattr(getattr(function, "__code__", None), "co_filename", "") or "function")
    return path.name + _line_in(error, path)
