"""test, deps: what tries a project's models and tables, and what fills in its packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from headgate.serve.cli import options as o
from headgate.serve.cli.opening import leaving, opened
from headgate.serve.cli.screen import Markup, Screen, duration, styled
from headgate.spec.errors import EXIT_BLOCKED, EXIT_WORLD, UsageError

_STYLE = {"pass": "pass", "warn": "warn", "fail": "blocked", "error": "failed"}
_TESTS = ("test", "unit_test")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("test")(test)
    app.command("deps")(deps)


def test(
    select: o.Select = None,
    exclude: o.Exclude = None,
    selector: o.Selector = None,
    resource_type: o.ResourceTypes = None,
    indirect: o.Indirect = "eager",
    state: o.State = "",
    project: o.Project = ".",
    env: o.Environment = "",
    variables: o.Variables = "",
    output: o.Output = "text",
) -> None:
    """Unit tests of models, without a warehouse, and data tests of the published tables."""
    from headgate.declare.selection import Choice, choose
    from headgate.run.testing import test as run_tests
    from headgate.serve.artifacts.writing import Artifacts, compare_with

    screen = Screen(output)
    for kind in resource_type or ():
        if kind not in (*_TESTS, "data_test"):
            raise UsageError(
                f"--resource-type is '{kind}'",
                expected="one of test, data_test, unit_test",
                todo="other kinds are built: headgate build",
            )
    kinds = tuple(k for k in _TESTS if not resource_type or k in resource_type or (k == "test" and "data_test" in resource_type))
    with opened(project, env, variables) as session:
        compare_with(session, state)
        artifacts = Artifacts(session, "test", {"select": list(select or ()), "exclude": list(exclude or ())})
        choice = Choice(tuple(select or ()), tuple(exclude or ()), selector, kinds, indirect=indirect)
        chosen = choose(session.project, choice, session.prior)
        for text in chosen.nothing:
            screen.say(f"[yellow]'{escape(text)}' selects nothing.[/yellow]")
        results = run_tests(session, chosen.ids)
        with leaving(screen):
            artifacts.after_tests(results)

    def draw(s: Screen) -> None:
        rows = [(Markup(styled(_STYLE[t.status])), t.name, t.dataset, t.failures, duration(t.seconds)) for t in results]
        s.table(("outcome", "test", "table", "failures", "took"), rows)
        for tested in results:
            if tested.status != "pass" and tested.message:
                s.line(f"\n{styled(_STYLE[tested.status])} {escape(tested.message)}")
        count = {status: sum(1 for t in results if t.status == status) for status in _STYLE}
        s.line("\n" + ", ".join(f"{n} {status}" for status, n in count.items()) + f" of {len(results)}.")

    screen.answer(results, draw)
    statuses = {t.status for t in results}
    raise typer.Exit(EXIT_WORLD if "error" in statuses else EXIT_BLOCKED if "fail" in statuses else 0)


def deps(
    project: o.Project = ".",
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Choose versions anew, whatever package-lock.yml says.")] = False,
    output: o.Output = "text",
) -> None:
    """Fill the packages folder with what packages.yml asks for, and write package-lock.yml."""
    from headgate.declare.packages import install_folder
    from headgate.run.deps import install

    screen = Screen(output)
    root = str(Path(project).resolve())
    found = install(root, install_folder(root), upgrade=upgrade)
    rows = [(p.name, p.kind, p.source, p.version) for p in found]
    screen.answer(
        found, lambda s: s.table(("package", "from", "source", "version"), rows) if rows else s.line("No packages asked for.")
    )
