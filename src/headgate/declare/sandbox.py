"""The one Jinja environment: sandboxed, with dbt's block tags and the macros of project and packages resolved by name.

A template reaches values it was given and pure functions, nothing else: no attribute that begins with an underscore, no
module, no file, no process, no network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
import jinja2.exceptions
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.runtime
import jinja2.sandbox
import jinja2.utils

from headgate.declare import limits
from headgate.declare.syntax import literal_value
from headgate.spec.errors import HeadgateError, Location

MACROS = "_headgate_macros"
"""The context name under which a rendering finds its macros."""
INTROSPECTIVE = frozenset(("execute", "run_query", "statement", "load_result", "load_relation", "graph"))
"""Names by which a template asks the database or the whole project: what it renders to is known at run time alone."""
_SET = re.compile(r"\{%-?\s*set\s+([\w\s,]+?)\s*(?:=|-?%\})")
MACRO_FILE = "<macros>"
"""The template name of every macro file: it tells the parser to hide the macros' names."""


class TemplateFailed(Exception):
    """A template cannot be parsed or rendered. `code` is one of HG-D04x; `name` an unknown name, if that was it."""

    def __init__(self, code: str, location: Location, what: str, name: str | None = None) -> None:
        self.code, self.location, self.what, self.name = code, location, what, name
        super().__init__(f"{location}: {what}")


class CompilerError(Exception):
    """Raised by a template itself through `exceptions.raise_compiler_error`, or by a name of the context that refuses."""

    def __init__(self, what: str, code: str = "HG-D041") -> None:
        self.code = code
        super().__init__(what)


class Undefined(jinja2.Undefined):
    """An unknown name: false in conditions, a mistake when called or asked for an attribute, and when printed.

    dbt prints nothing for it. So do we in a dbt project, and for a name that some template sets in one of its branches, which packages count
    on, or that is an argument which a macro's caller left out.
    """

    __slots__ = ()
    environment: Environment

    def __str__(self) -> str:
        left_out = self._undefined_hint is not None and self._undefined_hint.startswith("parameter ")
        if left_out or self.environment.dbt or self._undefined_name in self.environment.assigned:
            return ""
        self._fail_with_undefined_error()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._fail_with_undefined_error()


class _Context(jinja2.runtime.Context):
    """Looks an unknown name up among the macros of the rendering."""

    def resolve_or_missing(self, key: str) -> Any:
        if key == MACROS:
            return jinja2.utils.missing  # ours: a template has no business with it
        found = super().resolve_or_missing(key)
        macros = self.parent.get(MACROS)
        if key in INTROSPECTIVE and macros is not None:
            macros.introspects = True
        if found is jinja2.utils.missing and macros is not None:
            return macros.find(key, jinja2.utils.missing)
        return found


class _MacroParser(jinja2.parser.Parser):
    """Parses a macro file; macros get a hidden name, so that a call always goes by the search order over packages."""

    def parse_macro(self) -> jinja2.nodes.Macro:
        node = super().parse_macro()
        node.name = hidden(node.name)
        return node


def hidden(name: str) -> str:
    """The name that a macro has inside its compiled file."""
    return f"hgm__{name}"


class _Blocks(jinja2.ext.Extension):
    """dbt's block tags. A test or materialization is a macro under a longer name; snapshot and docs blocks are read as text."""

    tags = {"test", "data_test", "materialization", "snapshot", "docs"}

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        token = next(parser.stream)
        if token.value in ("snapshot", "docs"):
            parser.parse_assign_target(name_only=True)
            parser.parse_statements((f"name:end{token.value}",), drop_needle=True)
            return jinja2.nodes.Output([]).set_lineno(token.lineno)
        node = jinja2.nodes.Macro(lineno=token.lineno)
        name = parser.parse_assign_target(name_only=True).name
        if token.value == "materialization":
            adapter = "default"
            node.args, node.defaults = [], []
            while parser.stream.skip_if("comma"):
                key = parser.parse_assign_target(name_only=True).name
                if key == "default":
                    continue
                parser.stream.expect("assign")
                value = parser.parse_expression()
                if key == "adapter" and isinstance(value, jinja2.nodes.Const):
                    adapter = str(value.value)
            node.name = hidden(f"materialization_{name}_{adapter}")
        else:
            parser.parse_signature(node)
            node.name = hidden(f"test_{name}")
        node.body = parser.parse_statements((f"name:end{token.value}",), drop_needle=True)
        return node


class Environment(jinja2.sandbox.SandboxedEnvironment):
    """The environment. Lists and dicts that a template made may be changed by it (dbt's `do list.append(x)`); what it is
    given are copies."""

    context_class = _Context
    intercepted_binops = frozenset(["**", "*", "+", "%"])

    def __init__(self, *, dbt: bool = False) -> None:
        self.dbt = dbt
        self.assigned: set[str] = set()
        super().__init__(
            extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", _Blocks],
            undefined=type("Undefined", (Undefined,), {"__slots__": (), "environment": self}),
            autoescape=False,
            cache_size=0,
            keep_trailing_newline=False,
        )
        self.globals.clear()
        self.globals["range"] = jinja2.sandbox.safe_range
        self.globals["dict"] = dict
        self.globals["namespace"] = jinja2.utils.Namespace
        self.globals["joiner"] = jinja2.utils.Joiner
        self.globals["cycler"] = jinja2.utils.Cycler
        self.filters.update(limits.FILTERS)
        self.filters.update(as_bool=_as_bool, as_native=_as_native, as_number=_as_number, as_text=_as_text, is_list=_is_list)

    def _parse(self, source: str, name: str | None, filename: str | None) -> jinja2.nodes.Template:
        kind = _MacroParser if name == MACRO_FILE else jinja2.parser.Parser
        return limits.bound(kind(self, source, name, filename).parse())

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """No underscore, no internals of functions, frames or generators."""
        return not attr.startswith("_") and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any) -> Any:
        """Powers and repetitions are bounded, so that a slip cannot eat the machine."""
        limits.check_operation(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """As Jinja's; widths are bounded."""
        wrapped = super().wrap_str_format(value)
        return None if wrapped is None else limits.bounded_format(value.__self__, wrapped)

    def call(__self, __context: jinja2.runtime.Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """As Jinja's; methods that make texts longer are bounded."""
        limits.check_call(__obj, args)
        return super().call(__context, __obj, *args, **kwargs)

    def template(self, source: str, file: str, *, macro_file: bool = False, first_line: int = 1) -> jinja2.Template:
        """Compile a text. `first_line` is the text's place in its file. Raises TemplateFailed with the line of the file."""
        text = "\n" * (first_line - 1) + source if first_line > 1 else source
        self.assigned.update(name for names in _SET.findall(source) for name in names.replace(",", " ").split())
        try:
            code = self.compile(text, MACRO_FILE if macro_file else file, file)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateFailed("HG-D040", Location(file, error.lineno), str(error.message or error)) from None
        except RecursionError:
            raise TemplateFailed("HG-D040", Location(file), "the template is nested too deeply") from None
        template: jinja2.Template = self.template_class.from_code(self, code, self.make_globals(None))
        return template


def render(template: Any, names: Mapping[str, Any], file: str) -> str:
    """The text of `template`. Raises TemplateFailed with the line at which `file` failed."""
    return str(guarded(lambda: template.render(names), file))


def guarded(action: Callable[[], Any], file: str) -> Any:
    """Run `action`, which renders; any exception of the template becomes TemplateFailed. This is the boundary of user code."""
    try:
        with limits.one_rendering():
            return action()
    except (TemplateFailed, HeadgateError):  # the caller's own names have spoken: their word stands
        raise
    except jinja2.UndefinedError as error:
        what = str(error)
        name = what.split("'")[1] if what.endswith("is undefined") and what.count("'") >= 2 else None
        raise TemplateFailed("HG-D042" if name else "HG-D041", line_of(error, file), what, name) from None
    except jinja2.TemplateSyntaxError as error:
        raise TemplateFailed("HG-D040", Location(error.filename or file, error.lineno), str(error.message or error)) from None
    except limits.LimitReached as error:
        raise TemplateFailed("HG-D041", line_of(error, file), str(error)) from None
    except CompilerError as error:
        raise TemplateFailed(error.code, line_of(error, file), str(error)) from None
    except jinja2.exceptions.SecurityError as error:
        raise TemplateFailed("HG-D041", line_of(error, file), f"templates may not do this: {error}") from None
    except Exception as error:  # the boundary: whatever the project's own template raises is the project's mistake
        raise TemplateFailed("HG-D041", line_of(error, file), f"{type(error).__name__}: {error}") from None


def line_of(error: BaseException, file: str) -> Location:
    """The line of the innermost template of the project at which `error` was raised; of a package's only if there is no other."""
    place, foreign, trace = None, None, error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name == file or name.endswith((".sql", ".yml", ".yaml")):
            found = Location(name, _line_in_file(trace))
            if name != file and (name.startswith("dbt/") or "/macros/" in name):
                foreign = found
            else:
                place = found
        trace = trace.tb_next
    return place or foreign or Location(file)


def _line_in_file(trace: Any) -> int:
    """The template's line of a frame: Jinja has put it right where a template was rendered; where a macro was called it is that of the code."""
    template = trace.tb_frame.f_globals.get("__jinja_template__")
    return int(template.get_corresponding_lineno(trace.tb_lineno) if template is not None else trace.tb_lineno)


def _as_bool(value: Any) -> Any:
    """A boolean; a text that says none stays text, since `target.name == 'prod' | as_bool` filters the name alone (dbt's own example)."""
    if not isinstance(value, str):
        return bool(value)
    word = value.strip().lower()
    return True if word in ("true", "t", "yes", "1") else False if word in ("false", "f", "no", "0", "") else value


def _as_text(value: Any) -> str:
    return "" if value is None else str(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _as_number(value: Any) -> float | int:
    number = float(value)
    return int(number) if number.is_integer() else number


def _as_native(value: Any) -> Any:
    try:
        return literal_value(str(value))
    except (ValueError, SyntaxError):
        return value
