"""Options that several commands share, each declared once."""

from __future__ import annotations

from typing import Annotated

import typer


def _known(value: str) -> str:
    if value not in ("text", "json"):
        raise typer.BadParameter(f"'{value}' is neither text nor json")
    return value


Project = Annotated[str, typer.Option("--project", "-p", help="The project's folder.", show_default="the current folder")]
Environment = Annotated[
    str,
    typer.Option(
        "--env", "-e", "--target", "-t", help="The environment (a dbt project's target); prod is written only when named.",
        show_default="dev, or what the profile names",
    ),
]  # fmt: skip
Output = Annotated[str, typer.Option("--output", "-o", help="text or json.", callback=_known)]
Variables = Annotated[str, typer.Option("--vars", help="Variables as YAML: '{day: 2026-01-01}'.")]
Select = Annotated[
    list[str] | None, typer.Argument(help="What to take: names, tag:…, path:…, +parents, children+.", show_default="everything")
]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="What to leave out.")]
FullRefresh = Annotated[bool, typer.Option("--full-refresh", help="Build incremental tables anew from the beginning.")]
From = Annotated[str | None, typer.Option("--from", help="First moment of the intervals to build (ISO date or time).")]
To = Annotated[str | None, typer.Option("--to", help="End of the intervals to build (not included).")]
