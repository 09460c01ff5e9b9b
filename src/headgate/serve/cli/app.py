"""The command table. Commands live in modules by what they are for; this one puts them together and turns errors into exit
codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Annotated

import typer
from rich.markup import escape

from headgate.declare.profiles import DIRECTORY, PROFILE
from headgate.serve.cli.screen import Screen
from headgate.serve.cli.words import from_dbt
from headgate.spec.errors import EXIT_BUG, EXIT_CALL, DeclarationError, HeadgateError, WorldError

app = typer.Typer(
    name="headgate",
    help="A data platform in one package: nothing flows downstream until it passes the gate.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        from headgate import __version__

        typer.echo(f"headgate {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Of profiles.yml, instead of the dbt project's own choice.")
    ] = None,
    profiles_dir: Annotated[str | None, typer.Option("--profiles-dir", help="The folder of dbt's profiles.yml.")] = None,
) -> None:
    """A data platform in one package: nothing flows downstream until it passes the gate."""
    if profile is not None:
        os.environ[PROFILE] = profile
    if profiles_dir is not None:
        os.environ[DIRECTORY] = profiles_dir


@cache
def whole() -> typer.Typer:
    """The command table with every command in it."""
    from headgate.serve.cli import (
        artifact_commands,
        build_commands,
        look_commands,
        project_commands,
        repair_commands,
        testing_commands,
    )

    for module in (project_commands, build_commands, look_commands, repair_commands, artifact_commands, testing_commands):
        module.register(app)
    return app


def run_app() -> None:
    """Run the command line; every error of ours ends in its exit code, with the next command to try."""
    try:
        code = whole()(from_dbt(_profile_first(sys.argv[1:])), standalone_mode=False, prog_name="headgate")
        sys.exit(code if isinstance(code, int) else 0)
    except HeadgateError as error:
        sys.exit(tell(error))
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        Screen().say("[yellow]Interrupted.[/yellow] What was published stays; continue with: headgate run --resume")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        sys.exit(tell(_refused_by_the_system(error)) if error.filename else _unexpected(error))
    except Exception as error:  # the process boundary: whatever reaches it is a bug of ours, or Click's word on a wrong call
        sys.exit(_unexpected(error))


def _profile_first(arguments: Sequence[str]) -> list[str]:
    """The options that say where the profile is, before the command: dbt takes them on either side."""
    first: list[str] = []
    rest: list[str] = []
    given = iter(arguments)
    for argument in given:
        name, has_value, _ = argument.partition("=")
        if name not in ("--profile", "--profiles-dir"):
            rest.append(argument)
        elif has_value:
            first.append(argument)
        else:
            first += [argument, *([following] if (following := next(given, None)) is not None else [])]
    return [*first, *rest]


def tell(error: HeadgateError) -> int:
    """Write `error` to standard error and return its exit code."""
    screen = Screen()
    if isinstance(error, DeclarationError) and error.diagnostics:
        for diagnostic in error.diagnostics:
            screen.say(f"[red]{escape(str(diagnostic.location))}[/red]  {escape(str(diagnostic).split(': ', 1)[1])}")
    listed = isinstance(error, DeclarationError) and error.diagnostics
    said = error.what.splitlines()[0].rstrip(":") if listed else error.what
    screen.say(f"[bold red]{_family(error)}[/bold red] {escape(said)}")
    if error.expected:
        screen.say(f"  expected: {escape(error.expected)}")
    todo = error.todo or ("correct what is named above; headgate plan says when all is well" if listed else "")
    if todo:
        screen.say(f"  now: {escape(todo)}")
    return error.exit_code


def _refused_by_the_system(error: OSError) -> WorldError:
    """What the operating system would not do with a file or folder."""
    return WorldError(
        f"{error.filename}: {error.strerror or error}",
        expected="a place where this user may read and write",
        todo="look at its rights and at the room on its disk",
    )


def _family(error: HeadgateError) -> str:
    family = {1: "Project:", 2: "Call:", 4: "World:", 5: "Refused:", 70: "Bug:"}.get(error.exit_code, "Error:")
    return f"{family} {error.code}"


def _unexpected(error: Exception) -> int:
    """Click's usage errors are wrong calls; anything else is a bug and shows its trace."""
    import click

    if isinstance(error, click.ClickException) or type(error).__module__.startswith(("click", "typer")):
        shown = getattr(error, "format_message", lambda: str(error))() or "no command is given"
        context = getattr(error, "ctx", None)
        Screen().say(f"[bold red]Call:[/bold red] {escape(shown)}")
        Screen().say(f"  now: {context.command_path if context else 'headgate'} --help")
        return EXIT_CALL
    import traceback

    traceback.print_exception(error)
    Screen().say(
        "[bold red]Bug:[/bold red] this is a mistake in Headgate; the published tables are untouched. Please report the lines above."
    )
    return EXIT_BUG
