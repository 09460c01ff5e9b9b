"""backfill, restore, clean: what mends the past. Each shows its price before it acts where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from headgate.serve.cli import options as o
from headgate.serve.cli.build_commands import finish, show_plan
from headgate.serve.cli.completing import models, tables
from headgate.serve.cli.follow import Follow
from headgate.serve.cli.opening import opened, variables_of
from headgate.serve.cli.screen import Screen, counted, duration, size
from headgate.spec.errors import UsageError
from headgate.spec.steps import Plan

if TYPE_CHECKING:
    from headgate.run.repairing import Rehearsal


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("backfill")(backfill)
    app.command("reconcile")(reconcile)
    app.command("restore")(restore)
    app.command("maintain")(maintain)
    app.command("run-operation")(run_operation)


def run_operation(
    macro: Annotated[str, typer.Argument(help="A macro of the project, or package.macro.")],
    arguments: Annotated[str, typer.Option("--args", help="Its arguments as YAML: '{day: 2026-01-01}'.")] = "",
    project: o.Project = ".",
    env: o.Environment = "",
    variables: o.Variables = "",
) -> None:
    """Call a macro for what it does. It may write tables that no model builds, in one commit; all else goes through the gate."""
    screen = Screen()
    with opened(project, env, variables) as session:
        if not session.templates.has_macro(macro):
            raise UsageError(
                f"there is no macro '{macro}'",
                expected="a macro of the project, or package.macro",
                todo="see them in the folder macros",
            )
        returned = session.operation(macro, variables_of(arguments, "--args"))
        said = "" if returned is None else str(returned).strip()
        screen.line(f"{escape(macro)}: done." + (f" It returned {escape(said)}" if said else ""))


def backfill(
    model: Annotated[str, typer.Argument(help="The incremental model to fill.", autocompletion=models)],
    since: Annotated[str, typer.Option("--from", help="First moment (ISO date or time).")],
    until: Annotated[str, typer.Option("--to", help="End, not included.")],
    project: o.Project = ".",
    env: o.Environment = "",
    variables: o.Variables = "",
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build intervals again that are already done.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show intervals, rows, bytes, seconds and money, and stop.")] = False,
    rehearse: Annotated[str | None, typer.Option("--rehearse", help="Try a sample in a shadow first: '1%'.")] = None,
    during: Annotated[
        str | None, typer.Option("--during", help="Work only between these times of day: 01:00-05:00 (UTC).")
    ] = None,
    output: o.Output = "text",
) -> None:
    """Build missing intervals of a model, the canary first; resumable, below live runs in priority."""
    o.span(since, until)
    screen = Screen(output)
    with opened(project, env, variables) as session:
        if dry_run:
            made = session.plan_backfill(model, since, until, rebuild=rebuild)
            again = f"headgate backfill {model} --from {since} --to {until}" + (" --rebuild" if rebuild else "")
            screen.answer(made, lambda s: _show_backfill(s, made, again, session.project.prices.currency))
            return
        if rehearse:
            report = session.rehearse(model, since, until, share=rehearse)
            screen.answer(report, lambda s: _show_rehearsal(s, report))
            return
        result = session.backfill(
            model, since, until, rebuild=rebuild, during=during, listeners=(Follow(screen, quiet=screen.as_json),)
        )
    finish(screen, result)


def _show_backfill(screen: Screen, made: Plan, again: str, currency: str) -> None:
    """The backfill's one step with its price; what is to be done when nothing is missing."""
    if made.todo:
        show_plan(screen, made, command=again, currency=currency)
    else:
        screen.line(f"Nothing to do: {escape('; '.join(s.reason for s in made.steps))}.")
        screen.line(f"Build them again: [bold]{escape(again)} --rebuild[/bold]")


def _show_rehearsal(screen: Screen, report: Rehearsal) -> None:
    """What a rehearsal found, and what it could not."""
    failing = f"{counted(len(report.failing), 'check')} fail: {'; '.join(report.failing)}" if report.failing else "no check fails"
    screen.line(
        f"rehearsed {escape(report.dataset)} on {report.share:.1%} of its input: {counted(report.rows, 'row')} in {duration(report.seconds)}, "
        f"{escape(failing)}; nothing was published"
    )
    if not report.rows:
        screen.line(
            "The sample held no row of these intervals, so nothing was tried: take a larger share, for example --rehearse 100%"
        )


def reconcile(
    project: o.Project = ".",
    env: o.Environment = "",
    output: o.Output = "text",
) -> None:
    """Rebuild the closed intervals into which rows have landed since (models with `reconcile:`)."""
    screen = Screen(output)
    with opened(project, env) as session:
        result = session.reconcile(listeners=(Follow(screen, quiet=screen.as_json),))
    finish(screen, result)


def restore(
    table: Annotated[str, typer.Argument(help="schema.table or a model's name.", autocompletion=tables)],
    to: Annotated[str, typer.Option("--to", help="A snapshot id or a time (ISO, UTC).")],
    project: o.Project = ".",
    env: o.Environment = "",
    output: o.Output = "text",
) -> None:
    """Put a table back as it was at a snapshot or time: as a new publication, with its history kept."""
    screen = Screen(output)
    with opened(project, env) as session:
        result = session.restore(table, to, listeners=(Follow(screen, quiet=screen.as_json),))
    for step in () if screen.as_json else result.steps:
        screen.line(f"{escape(step.dataset)} is {escape(step.reason)}")
    finish(screen, result)


def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
    older_than: Annotated[float, typer.Option("--older-than", min=0, help="Hours: leftovers younger than this are kept.")] = 48.0,
    project: o.Project = ".",
    env: o.Environment = "",
    output: o.Output = "text",
) -> None:
    """Clean up leftovers by age, merge small files, expire old snapshots."""
    screen = Screen(output)
    with opened(project, env) as session:
        report = session.maintain(dry_run=dry_run, older_than_hours=older_than)

    def draw(s: Screen) -> None:
        s.table(("task", "things", "bytes", "what"), [(i.task, i.things, size(i.bytes), i.detail) for i in report])
        if dry_run:
            s.line("Nothing was changed (--dry-run).")

    screen.answer(report, draw)
