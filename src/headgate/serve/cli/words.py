"""dbt's way of writing a call, put into ours before the command line is read.

dbt takes several values after one option (`--select a b --exclude c d`) and its selection as an option; here a selection is the call's own
words, and an option is repeated. `--selector x` is the word `selector:x`.
"""

from __future__ import annotations

from collections.abc import Sequence

_SELECT = ("--select", "-s", "--models", "--model", "-m")
_REPEATED = {
    "--exclude": "--exclude",
    "--resource-type": "--resource-type",
    "--resource-types": "--resource-type",
    "--exclude-resource-type": "--exclude-resource-type",
    "--exclude-resource-types": "--exclude-resource-type",
}
_TAKING = ("plan", "run", "build", "seed", "snapshot", "compile", "test", "ls", "list", "ready")
_NAMES = ("selector", "name", "path")


def from_dbt(arguments: Sequence[str]) -> list[str]:
    """The arguments as our commands read them; those of commands without a selection are left alone."""
    command = next((a for a in arguments if not a.startswith("-")), "")
    if command not in _TAKING:
        return list(arguments)
    found: list[str] = []
    words: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        option, has_value, value = argument.partition("=")
        if option in _SELECT or option in _REPEATED or option == "--selector":
            values = [value] if has_value else _values(rest)
            if option in _SELECT:
                words += values
            elif option == "--selector":
                words += [f"selector:{v}" for v in values]
            else:
                found += [part for v in values for part in (_REPEATED[option], v)]
        elif command in ("ls", "list") and option == "--output" and (value or next(iter(rest), "")) in _NAMES:
            found += ["--names", value or rest.pop(0)]
        else:
            found.append("ls" if argument == "list" and command == "list" else argument)
    return [*found, *words]


def _values(rest: list[str]) -> list[str]:
    """The values that follow an option, taken off the arguments: all up to the next option."""
    taken: list[str] = []
    while rest and not rest[0].startswith("-"):
        taken.append(rest.pop(0))
    return taken
