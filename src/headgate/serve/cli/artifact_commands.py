"""parse, compile, docs, source: what reads the project for other tools, and builds nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from headgate.serve.cli import options as o
from headgate.serve.cli.opening import opened
from headgate.serve.cli.screen import Markup, Screen, duration, styled
from headgate.spec.errors import EXIT_BLOCKED, EXIT_WORLD

docs = typer.Typer(help="The project's documentation.", no_args_is_help=True)
source = typer.Typer(help="The sources.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("parse")(parse)
    app.command("compile")(compile_sql)
    docs.command("generate")(docs_generate)
    source.command("freshness")(source_freshness)
    app.add_typer(docs, name="docs")
    app.add_typer(source, name="source")


def parse(project: o.Project = ".", env: o.Environment = "", variables: o.Variables = "") -> None:
    """Read the project and say whether it is right; a dbt project gets its manifest.json."""
    from headgate.serve.artifacts.writing import Artifacts

    screen = Screen()
    with opened(project, env, variables) as session:
        artifacts = Artifacts(session, "parse")
        artifacts.after_parse()
        found = session.project
        screen.line(f"{len(found.nodes)} nodes, {len(found.sources)} source tables, {len(found.checks)} checks.")
        if artifacts.wanted:
            screen.say(f"Wrote {escape(str(_shown(artifacts.folder, found.root)))}/manifest.json")


def compile_sql(
    select: o.Select = None,
    exclude: o.Exclude = None,
    project: o.Project = ".",
    env: o.Environment = "",
    variables: o.Variables = "",
    state: o.State = "",
) -> None:
    """Show the SQL of models as it would run now; a dbt project gets it in target/compiled too. Nothing is built."""
    from headgate.run.compiling import compile_nodes
    from headgate.serve.artifacts.writing import Artifacts, compare_with

    screen = Screen()
    with opened(project, env, variables) as session:
        compare_with(session, state)
        artifacts = Artifacts(session, "compile")
        compiled = compile_nodes(session, session.select(select or (), exclude or ()))
        artifacts.after_compile(compiled)
        for unique_id, sql in compiled.items() if select else ():
            screen.line(f"[dim]-- {escape(unique_id)}[/dim]")
            screen.verbatim(sql)
        screen.say(f"Compiled {len(compiled)} nodes.")


def docs_generate(project: o.Project = ".", env: o.Environment = "", variables: o.Variables = "") -> None:
    """Write manifest.json and catalog.json: what is declared, and the tables and columns that stand."""
    from headgate.run.compiling import compile_nodes
    from headgate.serve.answers.standing import standing
    from headgate.serve.artifacts.writing import Artifacts

    screen = Screen()
    with opened(project, env, variables) as session:
        artifacts = Artifacts(session, "generate")
        found = standing(session)
        artifacts.after_docs(found, compile_nodes(session, session.project.nodes))
        screen.line(
            f"Wrote {escape(str(_shown(artifacts.folder, session.project.root)))}/catalog.json: {len(found)} tables and views."
        )


def source_freshness(
    select: Annotated[
        list[str] | None, typer.Option("--select", "-s", help="What to take: source:name, source:name.table.")
    ] = None,
    exclude: o.Exclude = None,
    project: o.Project = ".",
    env: o.Environment = "",
    variables: o.Variables = "",
    state: o.State = "",
    output: o.Output = "text",
) -> None:
    """How old the newest row of each source's table is, against the limits declared for it."""
    from headgate.serve.answers.freshness import freshness
    from headgate.serve.artifacts.writing import Artifacts, compare_with

    screen = Screen(output)
    with opened(project, env, variables) as session:
        compare_with(session, state)
        artifacts = Artifacts(session, "freshness")
        found = freshness(session, session.select(select or (), exclude or ()) if select or exclude else ())
        artifacts.after_freshness(found)
    rows = [
        (
            f.dataset,
            Markup(styled(_FOUND.get(f.status, "failed"))),
            f.error or ("no rows" if f.age is None else f"{duration(f.age)} old"),
        )
        for f in found
    ]
    screen.answer(found, lambda s: s.table(("table", "state", "newest row"), rows))
    statuses = {f.status for f in found}
    raise typer.Exit(EXIT_WORLD if "runtime error" in statuses else EXIT_BLOCKED if "error" in statuses else 0)


_FOUND = {"pass": "pass", "warn": "warn", "error": "blocked"}


def _shown(folder: Path, root: str) -> Path:
    return folder.relative_to(root) if folder.is_relative_to(root) else folder
