"""plan, run, land, build, seed, snapshot, resume: what makes tables."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from headgate.serve.cli import options as o
from headgate.serve.cli.follow import Follow
from headgate.serve.cli.opening import opened
from headgate.serve.cli.screen import Screen, duration, size, styled
from headgate.spec.errors import EXIT_BLOCKED, EXIT_DONE, EXIT_WORLD
from headgate.spec.events import RunResult
from headgate.spec.steps import Plan, Step
from headgate.spec.verdicts import Verdict


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("plan")(plan)
    app.command("run")(run)
    app.command("build", help="As run: land, build, gate, publish. Gates are never skipped.")(run)
    app.command("land")(land)
    app.command("seed", help="Build the seeds.")(seed)
    app.command("snapshot", help="Build the snapshots.")(snapshot)


def plan(
    select: o.Select = None,
    exclude: o.Exclude = None,
    project: o.Project = ".",
    env: o.Environment = "",
    variables: o.Variables = "",
    full_refresh: o.FullRefresh = False,
    since: o.From = None,
    until: o.To = None,
    output: o.Output = "text",
) -> None:
    """What would run, and why; nothing is changed."""
    screen = Screen(output)
    with opened(project, env, variables) as session:
        made = session.plan(
            select or (), exclude=exclude or (), full_refresh=full_refresh, interval_from=since, interval_to=until
        )
    screen.answer(made, lambda s: show_plan(s, made))


def show_plan(screen: Screen, made: Plan, *, command: str = "headgate run") -> None:
    """The plan as a table: what is done first, then what is left alone in one line."""
    todo = made.todo
    certain = [s for s in todo if not s.conditional]
    for step in certain:
        status = "land" if step.action == "land" else step.status
        how = "" if step.action == "land" else step.build
        expected = ", ".join(
            text
            for text in (
                f"{step.estimate.rows:,} rows" if step.estimate.rows else "",
                duration(step.estimate.seconds) if step.estimate.seconds else "",
            )
            if text
        )
        screen.line(
            f"  {styled(status)} [bold]{escape(step.dataset)}[/bold] [dim]{how}{f' ({expected})' if expected else ''}[/dim]"
        )
        screen.line(f"      {escape(step.reason)}")
    _show_changes(screen, tuple(certain))
    conditional = [s for s in todo if s.conditional]
    if conditional:
        names = ", ".join(s.dataset for s in conditional)
        screen.line(f"  [dim]then, where the landing brings rows:[/dim] {escape(names)}")
    idle = [s for s in made.steps if s.action == "none"]
    count = sum(1 for s in idle if s.status == "up_to_date")
    for step in idle:
        if step.status != "up_to_date":
            screen.line(f"[dim]left alone: {escape(step.dataset)}: {escape(step.reason)}[/dim]")
    screen.line(f"\n{len(certain)} to do, {len(conditional)} perhaps, {count} up to date, against snapshot {made.snapshot}.")
    cost = sum(s.estimate.cost or 0 for s in todo)
    written = sum(s.estimate.bytes or 0 for s in todo)
    if cost or written:
        screen.line(
            f"Expected from history: {size(written)} written, {duration(sum(s.estimate.seconds or 0 for s in todo))}, {cost:.4f} in money."
        )
    if todo:
        screen.line(f"Do it: [bold]{escape(command)}[/bold]")


def _show_changes(screen: Screen, todo: tuple[Step, ...]) -> None:
    for step in todo:
        for change in step.column_changes:
            screen.line(f"  {escape(step.dataset)}.{escape(change.column)}: {change.kind} {escape(change.reason)}")
        for consumer, columns in step.consumers.items():
            screen.line(
                f"    [magenta]touches[/magenta] {escape(consumer)}" + (f" ({escape(', '.join(columns))})" if columns else "")
            )


def run(
    select: o.Select = None,
    exclude: o.Exclude = None,
    project: o.Project = ".",
    env: o.Environment = "",
    variables: o.Variables = "",
    full_refresh: o.FullRefresh = False,
    since: o.From = None,
    until: o.To = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that a crash interrupted.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    landing: Annotated[bool, typer.Option("--land/--no-land", help="Land the sources first.")] = True,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Begin nothing new after the first failure.")] = False,
    threads: Annotated[int, typer.Option("--threads", help="Steps at once.", show_default="the project's, or 2")] = 0,
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for another run of this environment.")] = 3600.0,
    output: o.Output = "text",
) -> None:
    """Land the sources, build what is new or changed, gate it, publish what passed in one commit."""
    if dry_run:
        return plan(select, exclude, project, env, variables, full_refresh, since, until, output)
    screen = Screen(output)
    with opened(project, env, variables) as session:
        result = session.run(
            select or (),
            exclude=exclude or (),
            full_refresh=full_refresh,
            interval_from=since,
            interval_to=until,
            resume=resume,
            land=landing,
            fail_fast=fail_fast,
            threads=threads or None,
            wait_seconds=wait,
            listeners=(Follow(screen, quiet=screen.as_json),),
        )
    finish(screen, result)


def finish(screen: Screen, result: RunResult) -> None:
    """Show how a run ended, and leave with its exit code."""
    screen.answer(result, lambda s: show_result(s, result))
    raise typer.Exit({"done": EXIT_DONE, "blocked": EXIT_BLOCKED}.get(result.status, EXIT_WORLD))


def show_result(screen: Screen, result: RunResult) -> None:
    """The summary of a run: what was published, what was stopped and why, what to try next."""
    if result.nothing_to_do:
        screen.line(f"Nothing to do: everything is up to date at snapshot {result.snapshot}.")
        return
    done = [s for s in result.steps if s.status == "done"]
    stopped = [s for s in result.steps if s.status in ("blocked", "failed")]
    held = [s for s in result.steps if s.status == "skipped"]
    for step in stopped:
        screen.line(f"\n{styled(step.status)} {escape(step.dataset)}: {escape(step.reason)}")
        _show_samples(screen, step.verdicts)
    if held:
        screen.line(f"\nKept at their last good version: {escape(', '.join(s.dataset for s in held))}")
    screen.line(
        f"\nRun {result.run_id[:8]} {styled(result.status)}: {len(done)} done, {len(stopped)} stopped, {len(held)} held back, "
        f"{sum(s.rows for s in done):,} rows in {duration(result.seconds)}; snapshot {result.snapshot}."
    )
    if stopped:
        screen.line(f"Look closer: [bold]headgate why {escape(stopped[0].dataset)}[/bold]")


def _show_samples(screen: Screen, verdicts: tuple[Verdict, ...]) -> None:
    for verdict in verdicts:
        if verdict.blocks and verdict.sample:
            names = list(verdict.sample[0])[:8]
            screen.line(f"  [dim]first rows that fail {escape(verdict.name)}:[/dim]")
            screen.table(names, [[row.get(n) for n in names] for row in verdict.sample[:3]])


def land(
    sources: Annotated[list[str] | None, typer.Argument(help="Sources or source.table; everything by default.")] = None,
    project: o.Project = ".",
    env: o.Environment = "",
    variables: o.Variables = "",
    retry_blocked: Annotated[
        bool, typer.Option("--retry-blocked", help="Try blocked files again although they have not changed.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Extract everything again, not only what is new.")] = False,
    output: o.Output = "text",
) -> None:
    """Ingest alone: extract, gate, append to raw."""
    screen = Screen(output)
    with opened(project, env, variables) as session:
        result = session.land(
            sources or (), retry_blocked=retry_blocked, full=full, listeners=(Follow(screen, quiet=screen.as_json),)
        )
    finish(screen, result)


def seed(
    project: o.Project = ".", env: o.Environment = "", full_refresh: o.FullRefresh = False, output: o.Output = "text"
) -> None:
    """Build the seeds."""
    _only("resource_type:seed", project, env, full_refresh, output)


def snapshot(project: o.Project = ".", env: o.Environment = "", output: o.Output = "text") -> None:
    """Build the snapshots."""
    _only("resource_type:snapshot", project, env, False, output)


def _only(selector: str, project: str, env: str, full_refresh: bool, output: str) -> None:
    screen = Screen(output)
    with opened(project, env) as session:
        result = session.run((selector,), full_refresh=full_refresh, listeners=(Follow(screen, quiet=screen.as_json),))
    finish(screen, result)
