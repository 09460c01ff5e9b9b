"""Options that several commands share, each declared once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from headgate.serve.cli.completing import models
from headgate.spec.errors import UsageError

Project = Annotated[str, typer.Option("--project", "-p", help="The project's folder.", show_default="the current folder")]
Environment = Annotated[
    str,
    typer.Option(
        "--env", "-e", "--target", "-t", help="The environment (a dbt project's target); prod is written only when named.",
        show_default="dev, or what the profile names",
    ),
]  # fmt: skip
Output = Annotated[Literal["text", "json"], typer.Option("--output", "-o", help="text or json.")]
Variables = Annotated[str, typer.Option("--vars", help="Variables as YAML: '{day: 2026-01-01}'.")]
Select = Annotated[
    list[str] | None,
    typer.Argument(
        help="What to take: names, tag:…, path:…, +parents, children+.", show_default="everything", autocompletion=models
    ),
]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="What to leave out.")]
Selector = Annotated[str | None, typer.Option("--selector", help="A selector of selectors.yml, instead of what is named here.")]
ResourceTypes = Annotated[list[str] | None, typer.Option("--resource-type", help="Only this kind: model, test, source, ….")]
ExcludeResourceTypes = Annotated[list[str] | None, typer.Option("--exclude-resource-type", help="All but this kind.")]
Indirect = Annotated[
    str,
    typer.Option("--indirect-selection", help="Which tests come along with what they test: eager, cautious, buildable, empty."),
]
State = Annotated[
    str, typer.Option("--state", help="The folder with the artifacts that state:, result: and source_status: compare with.")
]
FullRefresh = Annotated[bool, typer.Option("--full-refresh", help="Build incremental tables anew from the beginning.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Steps at once.", show_default="the project's, or 2")]
From = Annotated[str | None, typer.Option("--from", help="First moment of the intervals to build (ISO date or time).")]
To = Annotated[str | None, typer.Option("--to", help="End of the intervals to build (not included).")]


def span(since: str | None, until: str | None) -> None:
    """The interval that `--from` and `--to` name must be one. Raises UsageError."""
    first, last = _moment("--from", since), _moment("--to", until)
    if first and last and first >= last:
        raise UsageError(
            f"--from {since} is not before --to {until}",
            expected="an interval: --to is its end, not included",
            todo="give a later --to",
        )


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} is '{text}'",
            expected="a date or a time as ISO text, in UTC",
            todo=f"for example {option} 2026-01-31 or 2026-01-31T06:00:00",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
