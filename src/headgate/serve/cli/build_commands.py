"""plan, run, land, build, seed, snapshot, resume: what makes tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from headgate.serve.cli import options as o
from headgate.serve.cli.completing import sources as source_names
from headgate.serve.cli.follow import Follow
from headgate.serve.cli.opening import leaving, opened
from headgate.serve.cli.screen import Screen, counted, duration, money, one_line, size, styled
from headgate.spec.errors import EXIT_BLOCKED, EXIT_DONE, EXIT_WORLD
from headgate.spec.events import RunResult
from headgate.spec.steps import Plan, Step

STOPPED_ROWS = 3
SAMPLE_COLUMNS = 7
LANDING_COLUMNS = ("_loaded_at", "_load_id", "_position")
_POSITION = re.compile(r"\{'unit': '?(.*?)'?, 'seq': (\d+)\}")


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
    state: o.State = "",
    output: o.Output = "text",
) -> None:
    """What would run, and why; nothing is changed."""
    from headgate.serve.artifacts.writing import compare_with

    o.span(since, until)
    screen = Screen(output)
    with opened(project, env, variables) as session:
        compare_with(session, state)
        made = session.plan(
            select or (), exclude=exclude or (), full_refresh=full_refresh, interval_from=since, interval_to=until
        )
        currency = session.project.prices.currency
    screen.answer(made, lambda s: show_plan(s, made, currency=currency))


def show_plan(screen: Screen, made: Plan, *, command: str = "headgate run", currency: str = "") -> None:
    """The plan: what is done first, each reason once for the steps that share it, then what is left alone in one line."""
    todo = made.todo
    if not made.steps:
        screen.line("There is nothing to plan: the project has no sources and no models yet.")
        screen.line("Begin with: [bold]headgate new source NAME[/bold], then [bold]headgate new model NAME[/bold]")
        return
    certain = [s for s in todo if not s.conditional]
    for at, step in enumerate(certain):
        screen.line(_step_line(step))
        after = certain[at + 1] if at + 1 < len(certain) else None
        if after is None or (after.reason, after.action) != (step.reason, step.action):
            screen.line(f"      [dim]{escape(one_line(step.reason))}[/dim]")
    _show_changes(screen, tuple(certain))
    conditional = [s for s in todo if s.conditional]
    if conditional:
        names = ", ".join(s.dataset for s in conditional)
        screen.line(f"  [dim]then, where the landing brings rows:[/dim] {escape(names)}")
    idle = [s for s in made.steps if s.action == "none"]
    count = sum(1 for s in idle if s.status == "up_to_date")
    for step in idle:
        if step.status != "up_to_date":
            screen.line(f"  [dim]left alone: {escape(step.dataset)}: {escape(one_line(step.reason))}[/dim]")
    parts = [
        f"{len(certain)} to do",
        f"{len(conditional)} perhaps" if conditional else "",
        f"{count} up to date" if count else "",
    ]
    screen.line(f"\n{', '.join(p for p in parts if p)}, against snapshot {made.snapshot}.")
    _show_price(screen, todo, currency)
    if todo:
        screen.line(f"Do it: [bold]{escape(command)}[/bold]")


def _step_line(step: Step) -> str:
    """One step: what becomes of which dataset, how, and what history lets expect."""
    status = "land" if step.action == "land" else step.status
    rows, seconds = step.estimate.rows, step.estimate.seconds
    expected = ", ".join(text for text in (counted(rows, "row") if rows else "", duration(seconds) if seconds else "") if text)
    how = " ".join(text for text in ("" if step.action == "land" else step.build, f"({expected})" if expected else "") if text)
    return f"  {styled(status)} [bold]{escape(step.dataset)}[/bold]" + (f" [dim]{how}[/dim]" if how else "")


def _show_price(screen: Screen, todo: Sequence[Step], currency: str) -> None:
    """What history lets expect of all steps together; money where the project has prices."""
    written, seconds = sum(s.estimate.bytes or 0 for s in todo), sum(s.estimate.seconds or 0 for s in todo)
    cost = sum(s.estimate.cost or 0 for s in todo)
    parts = [f"{size(written)} written", duration(seconds), money(cost, currency) if cost else ""]
    if written or cost:
        screen.line(f"Expected from history: {', '.join(p for p in parts if p)}.")


def _show_changes(screen: Screen, todo: tuple[Step, ...]) -> None:
    for step in todo:
        for change in step.column_changes:
            screen.line(f"  {escape(step.dataset)}.{escape(change.column)}: {change.kind} {escape(change.reason)}")
        for consumer, columns in step.consumers.items():
            screen.line(
                f"    [magenta]touches[/magenta] {escape(consumer)}" + (f" ({escape(', '.join(columns))})" if columns else "")
            )


def run(
    ctx: typer.Context,
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
    threads: o.Threads = None,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for another run of this environment.")] = 3600.0,
    state: o.State = "",
    output: o.Output = "text",
) -> None:
    """Land the sources, build what is new or changed, gate it, publish what passed in one commit."""
    if dry_run:
        return plan(select, exclude, project, env, variables, full_refresh, since, until, state, output)
    from headgate.serve.artifacts.writing import Artifacts, compare_with

    o.span(since, until)
    screen = Screen(output)
    with opened(project, env, variables) as session:
        compare_with(session, state)
        artifacts = Artifacts(session, ctx.info_name or "run", {"select": list(select or ()), "exclude": list(exclude or ())})
        result = session.run(
            select or (),
            exclude=exclude or (),
            full_refresh=full_refresh,
            interval_from=since,
            interval_to=until,
            resume=resume,
            land=landing,
            fail_fast=fail_fast,
            threads=threads,
            wait_seconds=wait,
            listeners=(Follow(screen, quiet=screen.as_json), artifacts),
        )
        with leaving(screen):
            artifacts.after_run(result, session.select(select or (), exclude or ()))
    finish(screen, result)


def finish(screen: Screen, result: RunResult) -> None:
    """Show how a run ended, and leave with its exit code."""
    screen.answer(result, lambda s: show_result(s, result))
    raise typer.Exit({"done": EXIT_DONE, "blocked": EXIT_BLOCKED}.get(result.status, EXIT_WORLD))


def show_result(screen: Screen, result: RunResult) -> None:
    """The summary of a run: what was published, what was stopped and why, what to try next."""
    if result.nothing_to_do:
        said = {s.reason for s in result.steps if s.reason}  # a backfill or a landing says more than a run can
        why = one_line("; ".join(sorted(said))) if len(said) == 1 else "everything is up to date"
        screen.line(f"Nothing to do: {escape(why)} at snapshot {result.snapshot}.")
        return
    done = [s for s in result.steps if s.status == "done"]
    stopped = [s for s in result.steps if s.status in ("blocked", "failed")]
    held = [s for s in result.steps if s.status == "skipped"]
    for step in stopped:
        screen.line(f"\n{styled(step.status)} {escape(step.dataset)}: {escape(step.reason)}")
        for verdict in step.verdicts:
            if getattr(verdict, "outcome", "") == "block":
                show_sample(screen, verdict.name, verdict.sample, STOPPED_ROWS)
    if held:
        screen.line(f"\nKept at their last good version: {escape(', '.join(s.dataset for s in held))}")
    parts = [
        f"{len(done)} done", f"{len(stopped)} stopped" if stopped else "", f"{len(held)} held back" if held else "", counted(sum(s.rows for s in done), "row"),
    ]  # fmt: skip
    screen.line(
        f"\nRun {result.run_id[:8]} {styled(result.status)}: {', '.join(p for p in parts if p)} in {duration(result.seconds)}; "
        f"snapshot {result.snapshot}."
    )
    if stopped:
        screen.line(f"Look closer: [bold]headgate why {escape(stopped[0].dataset)}[/bold]")


def show_sample(screen: Screen, check: str, rows: Sequence[Mapping[str, Any]], limit: int) -> None:
    """The first rows that fail a check: for raw rows their place in the source instead of the columns that landing adds."""
    if not rows:
        return
    screen.line(f"  [dim]first rows that fail {escape(check)}:[/dim]")
    names = [n for n in rows[0] if n not in LANDING_COLUMNS][:SAMPLE_COLUMNS]
    place = [place_of(row["_position"]) for row in rows[:limit] if "_position" in row]
    body = [[*(row.get(n) for n in names), *place[at : at + 1]] for at, row in enumerate(rows[:limit])]
    screen.rows([*names, *(["place"] if place else [])], body)


def place_of(position: object) -> str:
    """Where a raw row stands in its source: unit and number."""
    if isinstance(position, Mapping):
        return f"{position.get('unit')} #{position.get('seq')}"
    found = _POSITION.fullmatch(str(position))
    return f"{found[1]} #{found[2]}" if found else str(position)


def land(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Sources or source.table; everything by default.", autocompletion=source_names)
    ] = None,
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
    select: o.Select = None,
    exclude: o.Exclude = None,
    project: o.Project = ".",
    env: o.Environment = "",
    variables: o.Variables = "",
    full_refresh: o.FullRefresh = False,
    output: o.Output = "text",
) -> None:
    """Build the seeds."""
    _only("seed", select or (), exclude or (), project, env, variables, full_refresh, output)


def snapshot(
    select: o.Select = None,
    exclude: o.Exclude = None,
    project: o.Project = ".",
    env: o.Environment = "",
    variables: o.Variables = "",
    output: o.Output = "text",
) -> None:
    """Build the snapshots."""
    _only("snapshot", select or (), exclude or (), project, env, variables, False, output)


def _only(
    kind: str,
    select: Sequence[str],
    exclude: Sequence[str],
    project: str,
    env: str,
    variables: str,
    full_refresh: bool,
    output: str,
) -> None:
    """Build what the words select of one kind: all of it without words."""
    from headgate.serve.artifacts.writing import Artifacts

    screen = Screen(output)
    words = [f"{word},resource_type:{kind}" for text in select for word in text.split()] or [f"resource_type:{kind}"]
    with opened(project, env, variables) as session:
        if not any(node.resource_type == kind for node in session.project.nodes.values()):
            screen.say(f"The project has no {kind}s: nothing to do.")
            return
        artifacts = Artifacts(session, kind, {"full_refresh": full_refresh, "select": list(select), "exclude": list(exclude)})
        listeners = (Follow(screen, quiet=screen.as_json), artifacts)
        result = session.run(words, exclude=exclude, full_refresh=full_refresh, listeners=listeners)
        with leaving(screen):
            artifacts.after_run(result, session.select(words, exclude))
    finish(screen, result)
