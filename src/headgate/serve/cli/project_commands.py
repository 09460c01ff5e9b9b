"""init, new, demo, doctor: starting a project and seeing that the set-up is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from headgate.serve.cli import options as o
from headgate.serve.cli.screen import Markup, Screen, styled
from headgate.spec.errors import EXIT_PROJECT, UsageError

new = typer.Typer(help="Write a first version of a source, a model or a check.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("init")(init)
    app.command("demo")(demo)
    app.command("doctor")(doctor)
    app.add_typer(new, name="new")


def init(
    directory: Annotated[str, typer.Argument(help="The folder to make.")] = ".",
    template: Annotated[str, typer.Option("--template", "-t", help="blank, orders or flights.")] = "blank",
) -> None:
    """Start a project from a template."""
    from headgate.serve.answers.templates import create

    screen = Screen()
    made = create(Path(directory), template)
    screen.line(f"Made {len(made)} files in {escape(str(Path(directory).resolve() if directory == '.' else directory))}.")
    screen.line(
        f"Next: cd {escape(directory)} && [bold]headgate plan[/bold]" if directory != "." else "Next: [bold]headgate plan[/bold]"
    )


def demo(
    directory: Annotated[str, typer.Argument(help="Where to make the demo project.")] = "demo",
    keep: Annotated[bool, typer.Option("--keep", help="Refuse to replace a folder that is there.")] = False,
) -> None:
    """See it all work on real data: the 2013 flights out of New York, a broken month included."""
    from headgate.serve.cli.demo import run_demo

    raise typer.Exit(run_demo(Path(directory), keep=keep))


def doctor(project: o.Project = ".", env: o.Environment = "", output: o.Output = "text") -> None:
    """Say what is wrong with this set-up, and how to mend it."""
    from headgate.serve.answers.health import examine

    screen = Screen(output)
    findings = examine(Path(project).resolve(), env)

    def draw(s: Screen) -> None:
        s.table(
            ("what", "state", "found", "now"),
            [(f.what, Markup(styled("pass" if f.ok else "fail")), f.found, f.todo) for f in findings],
        )

    screen.answer(findings, draw)
    if any(not f.ok for f in findings):
        raise typer.Exit(EXIT_PROJECT)


Asked = Annotated[str | None, typer.Option(help="Asked for when it is not given.")]


def _ask(value: str | None, option: str, question: str, default: str | None = None) -> str:
    """`value`, or the person's answer. Raises UsageError when nobody is there to ask and there is no `default`."""
    import sys

    if value is not None:
        return value
    if not sys.stdin.isatty():
        if default is not None:
            return default
        raise UsageError(
            f"{option} is not given, and there is no terminal to ask on",
            expected=f"{option} {question}",
            todo="give it as an option; see --help",
        )
    answer: str = typer.prompt(question, default=default, show_default=bool(default))
    return answer


@new.command("source")
def new_source(
    name: Annotated[str, typer.Argument(help="The source's name.")],
    connector: Asked = None,
    table: Asked = None,
    owner: Asked = None,
    key: Annotated[str | None, typer.Option(help="The table's key columns, comma-separated; asked for, and may be none.")] = None,
    project: o.Project = ".",
) -> None:
    """Write sources/NAME.yml."""
    from headgate.serve.answers.scaffold import in_project, source_file, write

    root = in_project(project)
    text = source_file(
        name,
        _ask(connector, "--connector", "Connector (files, postgres, rest, …)"),
        _ask(table, "--table", "First table"),
        _ask(owner, "--owner", "Owner (a team or a person)"),
        _ask(key, "--key", "Key columns, comma-separated (none: Enter)", ""),
    )
    _wrote(write(root / "sources" / f"{name}.yml", text))
    _next("fill in what is marked, then: headgate land " + name)


@new.command("model")
def new_model(
    name: Annotated[str, typer.Argument(help="The model's name: stg_…, int_…, dim_…, fct_….")],
    reads: Asked = None,
    owner: Asked = None,
    grain: Asked = None,
    description: Asked = None,
    project: o.Project = ".",
) -> None:
    """Write a model and its property file, with owner, grain and the tests of the grain."""
    from headgate.serve.answers.scaffold import in_project, model_files, must_exist, write

    root = in_project(project)
    reads = _ask(reads, "--reads", "What it reads (a model, or source.table)")
    must_exist(root, reads)
    files = model_files(
        name,
        reads,
        _ask(owner, "--owner", "Owner (a team or a person)"),
        _ask(grain, "--grain", "Grain (columns, comma-separated)"),
        _ask(description, "--description", "What one row is"),
    )
    for path, text in files.items():
        _wrote(write(root / path, text))
    _next(f"write its columns, then: headgate run +{name}")


@new.command("check")
def new_check(
    name: Annotated[str, typer.Argument(help="What must hold, in words_with_underscores.")],
    model: Asked = None,
    condition: Asked = None,
    project: o.Project = ".",
) -> None:
    """Write tests/NAME.sql: a query that finds the rows which break the promise."""
    from headgate.serve.answers.scaffold import check_file, in_project, must_exist, write

    root = in_project(project)
    model = _ask(model, "--model", "Model")
    must_exist(root, model)
    text = check_file(name, model, _ask(condition, "--condition", "SQL condition that breaks the promise"))
    _wrote(write(root / "tests" / f"{name}.sql", text))
    _next(f"weigh it: headgate check {model}")


def _next(text: str) -> None:
    Screen().say(f"Next: {escape(text)}")


def _wrote(path: Path) -> None:
    Screen().line(f"wrote {escape(str(path))}")
