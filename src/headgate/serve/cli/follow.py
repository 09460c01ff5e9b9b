"""Tells a run's events as they come: one line for each thing that a person would want to know."""

from __future__ import annotations

from rich.markup import escape

from headgate.serve.cli.opening import logged
from headgate.serve.cli.screen import Screen, duration, one_line, styled
from headgate.spec.events import Event

MARK = {"done": "[green]✓[/green]", "accepted": "[green]✓[/green]", "blocked": "[bold red]✗[/bold red]", "failed": "[bold red]✗[/bold red]",
        "skipped": "[yellow]–[/yellow]", "up_to_date": "[dim]·[/dim]"}  # fmt: skip


NAME_WIDTH = 37
"""Columns for a dataset's name: with it rows and seconds stand in 80."""


class Follow:
    """A listener that writes to standard error."""

    def __init__(self, screen: Screen, *, quiet: bool = False) -> None:
        self.screen, self.quiet = screen, quiet or logged()

    def __call__(self, event: Event) -> None:
        """Write what `event` means, if it is worth a line."""
        if self.quiet:
            return
        line = self._line(event)
        if line:
            self.screen.say(line)

    def _line(self, event: Event) -> str | None:
        rows = " " * 17 if event.rows is None else f"  {event.rows:>10,} {'row ' if event.rows == 1 else 'rows'}"
        took = "" if event.seconds is None else f"  [dim]{duration(event.seconds)}[/dim]"
        whole = "" if event.seconds is None else f"; [dim]the whole run {duration(event.seconds)}[/dim]"
        name = f"{escape(event.dataset):<{NAME_WIDTH}}"
        said = escape(one_line(event.reason))
        reason = f"  [dim]{said}[/dim]" if said else ""
        if event.kind == "load.accepted":
            return f"  {MARK['accepted']} land   {name}{rows}{took}"
        if event.kind == "template.said":
            return escape(event.reason)
        if event.kind == "load.blocked":
            return f"  {MARK['blocked']} land   {name}  {styled('blocked')}  {said}"
        if event.kind == "step.finished" and event.data.get("action") == "build":
            if event.status == "done":
                return f"  {MARK['done']} build  {name}{rows}{took}{reason}"
            return f"  {MARK.get(event.status, ' ')} build  {name}  {styled(event.status)}{reason}"
        if event.kind == "step.finished" and event.status == "failed":
            return f"  {MARK['failed']} land   {name}  {styled('failed')}{reason}"
        if event.kind == "gate.verdict" and event.status == "warn":  # what blocks is told with the step that it blocks
            return f"      [yellow]{said}[/yellow]"
        if event.kind in ("step.retried", "source.retried", "source.circuit", "source.credential"):
            return f"      [yellow]{said}[/yellow]"
        if event.kind == "schema.changed":
            return f"      schema  {said}"
        if event.kind == "run.finished" and event.data.get("published"):
            return f"  {MARK['done']} publish  {event.data['published']} in one commit, snapshot {event.snapshot}{whole}"
        return None
