"""ls, show, why, history, lineage, query, diff, check, ready: what looks and changes nothing that is published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from headgate.serve.cli import options as o
from headgate.serve.cli.build_commands import show_sample
from headgate.serve.cli.completing import tables
from headgate.serve.cli.opening import opened
from headgate.serve.cli.screen import Markup, Screen, counted, moment, one_line, styled
from headgate.spec.errors import EXIT_BLOCKED, UsageError

if TYPE_CHECKING:
    from headgate.declare.selection import Choice

SAMPLE_ROWS = 5
Table = Annotated[str, typer.Argument(help="schema.table, a model's name, or source.table.", autocompletion=tables)]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for name, command in (
        ("ls", ls), ("show", show), ("why", why), ("history", history), ("lineage", lineage), ("query", query), ("diff", diff),
        ("check", check), ("ready", ready),
    ):  # fmt: skip
        app.command(name)(command)


def ls(
    select: o.Select = None,
    exclude: o.Exclude = None,
    selector: o.Selector = None,
    resource_type: o.ResourceTypes = None,
    exclude_resource_type: o.ExcludeResourceTypes = None,
    indirect: o.Indirect = "eager",
    names: Annotated[
        str | None,
        typer.Option("--names", help="One name a line, as dbt ls does it: selector, name or path.", show_default="a table"),
    ] = None,
    state: o.State = "",
    project: o.Project = ".",
    env: o.Environment = "",
    output: o.Output = "text",
) -> None:
    """List sources and models with their state; with --names, --selector or --resource-type everything that is selected, by name."""
    from headgate.declare.selection import Choice
    from headgate.serve.answers.tables import listed
    from headgate.serve.artifacts.writing import compare_with

    screen = Screen(output)
    if names or selector or resource_type or exclude_resource_type:
        kinds, but = tuple(resource_type or ()), tuple(exclude_resource_type or ())
        choice = Choice(tuple(select or ()), tuple(exclude or ()), selector, kinds, but, indirect)
        return _names(screen, choice, names or "selector", project, env, state)
    with opened(project, env) as session:
        compare_with(session, state)
        lines = listed(session, tuple(select or ()), tuple(exclude or ()))
    rows = [
        (line.dataset, line.kind, Markup(styled(line.status)), line.rows, line.owner, moment(line.published_at) or None)
        for line in lines
    ]

    def draw(s: Screen) -> None:
        s.table(("dataset", "kind", "status", "rows", "owner", "published"), rows)
        if not rows:
            s.say("The project has no sources and no models yet. Begin with: headgate new source NAME")

    screen.answer(lines, draw)


def _names(screen: Screen, choice: Choice, form: str, project: str, env: str, state: str) -> None:
    """What a choice means, one name a line."""
    from headgate.declare.selection import choose
    from headgate.serve.answers.listing import FORMS, listed_names
    from headgate.serve.artifacts.writing import compare_with

    if form not in FORMS:
        raise UsageError(f"--names is '{form}'", expected="one of " + ", ".join(FORMS))
    with opened(project, env) as session:
        compare_with(session, state)
        chosen = choose(session.project, choice, session.prior)
        lines = listed_names(session.project, chosen.ids)
    for text in chosen.nothing:
        screen.say(f"[yellow]'{escape(text)}' selects nothing.[/yellow]")

    def draw(s: Screen) -> None:
        for line in dict.fromkeys(str(getattr(found, form)) for found in lines):
            s.line(escape(line))

    screen.answer(lines, draw)


def show(
    table: Table,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Rows to show.")] = 5,
    project: o.Project = ".",
    env: o.Environment = "",
    output: o.Output = "text",
) -> None:
    """A table's card: owner, grain, columns, checks, first rows."""
    from headgate.serve.answers.tables import Shown
    from headgate.serve.answers.tables import show as answer

    screen = Screen(output)
    with opened(project, env) as session:
        card = answer(session, table, limit)

    def draw(s: Screen, card: Shown = card) -> None:
        rows = "" if card.rows is None else f", {counted(card.rows, 'row')}"
        s.line(f"[bold]{escape(card.dataset)}[/bold]  {card.kind}{rows}, published {moment(card.published_at) or 'never'}")
        s.line(escape(card.description) or "[dim]no description[/dim]")
        s.line(f"owner {escape(card.owner or 'nobody')}; grain {escape(', '.join(card.grain) or 'not declared')}\n")
        s.table(("column", "type", "description"), [(c.name, c.type, c.description) for c in card.columns])
        if card.checks:
            s.line(f"\nchecks: {escape(', '.join(card.checks))}")
        if card.sample:
            s.line("")
            s.rows(tuple(card.sample[0]), [tuple(r.values()) for r in card.sample])

    screen.answer(card, draw)


def why(table: Table, project: o.Project = ".", env: o.Environment = "", output: o.Output = "text") -> None:
    """Why a table is as it is: the reason for its state, the checks that fail, what happened."""
    from headgate.serve.answers.tables import Because
    from headgate.serve.answers.tables import why as answer

    screen = Screen(output)
    with opened(project, env) as session:
        because = answer(session, table)

    def draw(s: Screen, because: Because = because) -> None:
        s.line(f"{styled(because.status)}  {escape(because.sentence)}")
        for weighed in because.verdicts:
            verdict = weighed.verdict
            s.line(f"\n{styled(verdict.outcome)} {escape(verdict.message or verdict.name)}  [dim]{moment(weighed.at)}[/dim]")
            if verdict.sql:
                s.line(f"  [dim]found by: {escape(one_line(verdict.sql))}[/dim]")
            show_sample(s, verdict.name, verdict.sample, SAMPLE_ROWS)
        if because.inputs:
            s.line("\nbuilt from: " + escape(", ".join(f"{d}@{v[:8]}" for d, v in sorted(because.inputs.items()))))
        s.line("")
        for event in because.events:
            rows = "" if event.rows is None else counted(event.rows, "row")
            said = "as above" if event.reason and event.reason in because.sentence else one_line(event.reason)
            parts = [p for p in (styled(event.status) if event.status else "", rows, escape(said)) if p]
            s.line(f"  [dim]{moment(event.at)}[/dim]  {event.kind:<17}  {', '.join(parts)}".rstrip())
        if because.todo:
            s.line(f"\nNow: {escape(because.todo)}")

    screen.answer(because, draw)


def history(
    table: Table,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Lines to show.")] = 20,
    project: o.Project = ".",
    env: o.Environment = "",
    output: o.Output = "text",
) -> None:
    """Every publication or load of a table with its row ledger, newest first."""
    from headgate.serve.answers.tables import history as answer

    screen = Screen(output)
    with opened(project, env) as session:
        lines = answer(session, table, limit)
    counts = [(f"{p.rows_in:,}", f"{p.rows_out:,}") for p in lines]
    widths = [max((len(c[at]) for c in counts), default=0) for at in (0, 1)]

    def draw(s: Screen) -> None:
        for line, (came, went) in zip(lines, counts, strict=True):
            aside = [f"{n} {v:,}" for n, v in (("deleted", line.rows_deleted), *line.rows_set_aside.items()) if v]
            s.line(
                f"[bold]{moment(line.at)}[/bold]  [dim]{line.run_id[:8]}[/dim]  {styled(line.kind)}{' ' * max(0, 8 - len(line.kind))}  "
                f"{came:>{widths[0]}} in  {went:>{widths[1]}} out" + "".join(f", {part}" for part in aside)
            )
            for said in ("" if line.interval is None else f"[{line.interval.start}, {line.interval.end})", one_line(line.reason)):
                if said:
                    s.line(f"    [dim]{escape(said)}[/dim]")
        if not lines:
            s.say(f"Nothing was published of {escape(table)} yet. Make it: headgate run")

    screen.answer(lines, draw)


def lineage(
    name: Annotated[str, typer.Argument(help="schema.table, or schema.table.column.", autocompletion=tables)],
    project: o.Project = ".",
    env: o.Environment = "",
    output: o.Output = "text",
) -> None:
    """Where a table or a column comes from, and what hangs on it."""
    from headgate.serve.answers.columns import lineage as answer

    screen = Screen(output)
    with opened(project, env) as session:
        found = answer(session, name)

    def draw(s: Screen) -> None:
        s.line(f"[bold]{escape(found.name)}[/bold]")
        for title, edges in (("comes from", found.upstream), ("goes into", found.downstream)):
            s.line(f"{title}:" if edges else f"{title}: nothing")
            for edge in edges:
                s.line(f"  {escape(edge.source)} → {escape(edge.to)}  [dim]{escape(edge.kind)}[/dim]")
        for sentence in found.unknown:
            s.line(f"[yellow]unknown:[/yellow] {escape(sentence)}")

    screen.answer(found, draw)


def query(
    sql: Annotated[str, typer.Argument(help="A SELECT over the published tables.")],
    at: Annotated[str | None, typer.Option("--at", help="A snapshot id or a time: the tables as they were then.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Rows to print; 0 for all.")] = 100,
    project: o.Project = ".",
    env: o.Environment = "",
    output: o.Output = "text",
) -> None:
    """Ask the published tables; one statement, one snapshot."""
    screen = Screen(output)
    with opened(project, env) as session:
        table = session.query(sql, at=at)
    shown = table.slice(0, limit) if limit else table
    rows = shown.to_pylist()

    def draw(s: Screen) -> None:
        s.rows(table.column_names, [tuple(r.values()) for r in rows])
        if len(rows) < table.num_rows:
            s.say(f"[dim]{table.num_rows:,} rows, {len(rows):,} shown; --limit 0 shows all[/dim]")

    screen.answer(rows, draw)


def diff(
    table: Table,
    before: Annotated[
        str | None, typer.Option("--from", help="Snapshot id or time.", show_default="the version before the last")
    ] = None,
    after: Annotated[str | None, typer.Option("--to", help="Snapshot id or time.", show_default="now")] = None,
    other: Annotated[str | None, typer.Option("--with-env", help="Compare with another environment's table instead.")] = None,
    key: Annotated[list[str] | None, typer.Option("--key", help="Key columns.", show_default="the declared key or grain")] = None,
    project: o.Project = ".",
    env: o.Environment = "",
    output: o.Output = "text",
) -> None:
    """How a table differs between two snapshots or environments: schema, counts, rows by key."""
    from headgate.serve.answers.differences import difference

    screen = Screen(output)
    with opened(project, env) as session:
        found = difference(session, table, before=before, after=after, other_environment=other, key=tuple(key or ()))

    def draw(s: Screen) -> None:
        s.line(f"[bold]{escape(found.dataset)}[/bold]  {escape(found.before)} → {escape(found.after)}")
        for line in found.schema:
            s.line(f"  schema: {escape(line)}")
        s.line(
            f"rows {found.rows_before:,} → {found.rows_after:,}: {found.added:,} added, {found.removed:,} removed, {found.changed:,} changed"
        )
        if found.sample:
            s.table(
                tuple(found.sample[0]),
                [tuple(", ".join(v) if isinstance(v, list | tuple) else v for v in r.values()) for r in found.sample],
            )

    screen.answer(found, draw)


def check(
    target: Annotated[
        str, typer.Argument(help="A table of the project: its checks are weighed on the published rows.", autocompletion=tables)
    ],
    project: o.Project = ".",
    env: o.Environment = "",
    output: o.Output = "text",
) -> None:
    """Weigh a published table against its checks now."""
    from headgate.serve.answers.tables import checked

    screen = Screen(output)
    with opened(project, env) as session:
        result = checked(session, target)
    rows = [(Markup(styled(v.outcome)), v.name, v.failures, v.rows, v.message) for v in result.verdicts]
    screen.answer(result, lambda s: s.table(("outcome", "check", "failures", "rows", "message"), rows))
    if result.outcome == "block":
        raise typer.Exit(EXIT_BLOCKED)


def ready(select: o.Select = None, project: o.Project = ".", env: o.Environment = "", output: o.Output = "text") -> None:
    """Is it ready to deploy? The checklist that data teams keep in their heads, each item with evidence."""
    from headgate.serve.answers.readiness import readiness

    screen = Screen(output)
    with opened(project, env) as session:
        report = readiness(session, tuple(select or ()))

    def draw(s: Screen) -> None:
        for dataset in dict.fromkeys(i.dataset for i in report.items):
            s.line(f"[bold]{escape(dataset)}[/bold]")
            for item in (i for i in report.items if i.dataset == dataset):
                sign = "[green]✓[/green]" if item.passed else "[bold red]✗[/bold red]"
                s.line(f"  {sign} {item.item:<26} [dim]{escape(item.evidence)}[/dim]")
        failed = sum(1 for i in report.items if not i.passed)
        if not report.items:
            s.line("There is nothing to judge: the project has no models yet.")
            return
        s.line(f"\n{len(report.items) - failed} passed, {failed} failed: {'ready' if not failed else 'not ready'}.")

    screen.answer(report, draw)
    if not report.ready:
        raise typer.Exit(EXIT_BLOCKED)
