"""Writes the artifacts of one call of a command into the project's `target` folder.

A command makes an `Artifacts`, hands it to the run as a listener, and tells it how the run ended. Every file is written whole or not at all.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headgate.declare.prior import Prior
from headgate.run.idle_results import make_ready
from headgate.serve.artifacts.catalog import Standing, catalog
from headgate.serve.artifacts.compiled import compiled_files, run_files
from headgate.serve.artifacts.frame import as_configured, target_path
from headgate.serve.artifacts.macros import BUILTIN, MacroSource, macro_entries
from headgate.serve.artifacts.manifest import manifest
from headgate.serve.artifacts.metadata import Call
from headgate.serve.artifacts.run_results import NOTHING_DONE, Ended, ended_of, run_results, tested_alone
from headgate.serve.artifacts.semantic_manifest import semantic_manifest
from headgate.serve.artifacts.sources import sources
from headgate.spec.errors import HeadgateError
from headgate.spec.events import Event, RunResult
from headgate.spec.ids import uuid7

if TYPE_CHECKING:
    from headgate.run.session import Session
    from headgate.run.testing import Tested
    from headgate.serve.answers.freshness import Fresh

_INCREMENTAL = ("incremental", "intervals")
ASKING = re.compile(r"\bexecute\b|\brun_query\b|\bstatement\b|\bload_result\b|\bgraph\.|adapter\.(?:get|list|check)_")
"""What a template says that asks the database while it is rendered: its SQL is known in a run alone."""


def compare_with(session: Session, folder: str) -> None:
    """Let the session's selections compare with the artifacts in `folder`; with none, for an empty name."""
    if folder:
        target = Path(session.project.root, target_path(session.project))
        session.prior = Prior(Path(folder).resolve(), lambda: Artifacts(session, "parse").parsed(), target)


def schemas_of(session: Session) -> Callable[[str], str | None]:
    """How the project names the schema for a configured one: by a macro of its own, if it has one."""
    macro = "generate_schema_name"
    if not any(package != BUILTIN and f"macro {macro}" in text for package, _, text in session.templates.macro_texts()):
        return as_configured

    @cache
    def named(custom: str) -> str | None:
        with suppress(HeadgateError):  # it may ask a node for more than its kind
            return str(session.templates.call_macro(macro, {"varargs": (custom, {"resource_type": "test"})}, {})).strip()
        return None

    return named


def wanted(root: str) -> bool:
    """Whether the project's tools may look for artifacts: it has a dbt_project.yml."""
    return Path(root, "dbt_project.yml").is_file()


class Artifacts:
    """The artifacts of one call. `which` is dbt's word for the command, `arguments` what it was called with."""

    def __init__(self, session: Session, which: str, arguments: Mapping[str, Any] | None = None) -> None:
        self.session, self.which, self.arguments = session, which, dict(arguments or {})
        self.wanted = wanted(session.project.root)
        self.folder = Path(session.project.root, target_path(session.project))
        self._started, self._id = time.time(), uuid7()
        self._finished: dict[str, float] = {}
        self._builds: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Note when a step ended, and how it was built."""
        if event.kind == "step.finished" and event.step:
            self._finished[event.step] = datetime.fromisoformat(event.at).replace(tzinfo=UTC).timestamp()
            self._builds[event.step] = str(event.data.get("build") or "full")

    def parsed(self) -> dict[str, Any]:
        """The manifest, made of what is declared alone, as it is read from its file."""
        found: dict[str, Any] = json.loads(json.dumps(self._made({}), default=str))
        return found

    def after_parse(self) -> None:
        """Write the manifest and the semantic manifest."""
        if self.wanted:
            self._write_manifest(self._made({}))

    def after_compile(self, compiled: Mapping[str, str]) -> None:
        """Write the manifests and the folder `compiled/`; `compiled` is SQL by unique id."""
        if self.wanted:
            made = self._made(compiled)
            self._write_manifest(made)
            self._write_texts(compiled_files(made, self._target))

    def after_run(self, result: RunResult, selected: Iterable[str] = ()) -> None:
        """Write manifests, results and the folders `compiled/` and `run/`; `selected` was asked for, if only found up to date."""
        if not self.wanted:
            return
        self._id = result.run_id
        project, now = self.session.project, time.time()
        ended = ended_of(project, result.steps, self._finished, now)
        told = {e.unique_id for e in ended}
        idle = [
            uid for uid in selected if uid in project.nodes and uid not in told and project.nodes[uid].materialized != "ephemeral"
        ]
        ended += [Ended(uid, "success", NOTHING_DONE, None, now) for uid in idle]
        if self.which == "build" and not self.arguments.get("select"):
            ended += [Ended(uid, "no-op", "NO-OP", 0, now) for uid in project.exposures]
        made = self._made({**self._compiled([e.unique_id for e in ended]), **weighed(result)})
        self._write_manifest(made)
        self._write_texts(compiled_files(made, self._target))
        self._write_texts(run_files(made, self._target, {e.unique_id: self._build(e.unique_id) for e in ended}))
        self._write("run_results.json", run_results(ended, self._call, made, self.arguments, result.seconds))
        if self.which in ("run", "build") and not self.arguments.get("select") and not self.arguments.get("exclude"):
            self._ready_for_idleness(ended, made)

    def _ready_for_idleness(self, ended: Iterable[Ended], made: Mapping[str, Any]) -> None:
        """Leave the results of a next run that has nothing to do, which answers before any of this is imported."""
        known = {e.unique_id: made["nodes"][e.unique_id] for e in ended if e.unique_id in self.session.project.nodes}
        nodes = {uid: {k: v for k, v in node.items() if k in ("language", "relation_name")} for uid, node in known.items()}
        idle = [Ended(uid, "success", NOTHING_DONE) for uid in nodes]
        results = run_results(idle, self._call, {"nodes": nodes, "unit_tests": {}}, self.arguments, 0.0)
        make_ready(self.session.project.root, self.folder, results)

    def after_tests(self, tested: Iterable[Tested]) -> None:
        """Write manifests, results and SQL of tests that were run by themselves."""
        if not self.wanted:
            return
        now, found = time.time(), list(tested)
        ended = [tested_alone(self.session.project, t, now) for t in found]
        made = self._made({t.unique_id: t.sql for t in found if t.sql and t.unique_id in self.session.project.checks})
        self._write_manifest(made)
        self._write_texts(compiled_files(made, self._target))
        self._write_texts(run_files(made, self._target, {t.unique_id: "test" for t in found}))
        self._write("run_results.json", run_results(ended, self._call, made, self.arguments, now - self._started))

    def after_freshness(self, found: Iterable[Fresh]) -> None:
        """Write the freshness of sources."""
        if self.wanted:
            self._write("sources.json", sources(self.session.project, found, self._call, time.time() - self._started))

    def after_docs(self, standing: Mapping[str, Standing], compiled: Mapping[str, str]) -> None:
        """Write manifests and catalog."""
        self.wanted = True  # who asks for documentation gets it in every project
        self.after_compile(compiled)
        self._write("catalog.json", catalog(self.session.project, standing, self._call))

    @property
    def _target(self) -> str:
        return target_path(self.session.project)

    @property
    def _call(self) -> Call:
        return Call(self.which, self._id, self._started, time.time())

    def _build(self, unique_id: str) -> str:
        node = self.session.project.nodes.get(unique_id)
        if node is None:
            return "test"
        return node.materialized if node.materialized in ("view", "snapshot") else self._builds.get(unique_id, "full")

    def _compiled(self, unique_ids: Iterable[str]) -> dict[str, str]:
        """SQL of the nodes, as they were built. What a template has asked of the database is asked again."""
        from headgate.run.compiling import compile_nodes

        nodes = {
            uid: node for uid, node in self.session.project.nodes.items() if uid in set(unique_ids) and node.language == "sql"
        }
        found = {
            uid: node.canonical_incremental_sql
            if self._builds.get(uid) in _INCREMENTAL and node.materialized == "incremental"
            else node.canonical_sql
            for uid, node in nodes.items()
        }
        texts = {name: text for name, text in self._macro_texts.items() if ASKING.search(text)}
        asking = [uid for uid, node in nodes.items() if ASKING.search(node.raw_code) or any(m in texts for m in node.macros)]
        with suppress(HeadgateError):  # what they ask for may be gone: then the SQL of the reading stands
            found |= compile_nodes(self.session, asking)
        return found

    def _made(self, compiled: Mapping[str, str]) -> dict[str, Any]:
        return manifest(self.session.project, self._macro_files, self._call, compiled, schemas_of(self.session))

    @cached_property
    def _macro_files(self) -> tuple[MacroSource, ...]:
        return tuple(MacroSource(*found) for found in self.session.templates.macro_texts())

    @cached_property
    def _macro_texts(self) -> dict[str, str]:
        entries = macro_entries(self._macro_files, {}, self.session.project.name, 0.0)
        return {uid: entry["macro_sql"] for uid, entry in entries.items() if entry["package_name"] != BUILTIN}

    def _write_manifest(self, made: Mapping[str, Any]) -> None:
        self._write("manifest.json", made)
        self._write("semantic_manifest.json", semantic_manifest(made))

    def _write(self, name: str, made: Mapping[str, Any]) -> None:
        write_whole(self.folder / name, json.dumps(made, default=str))

    def _write_texts(self, files: Mapping[str, str]) -> None:
        root, made = self.session.project.root, set[str]()
        for name, text in files.items():
            folder, _, _ = name.rpartition("/")
            if folder not in made:
                Path(root, folder).mkdir(parents=True, exist_ok=True)
                made.add(folder)
            Path(root, name).write_text(text, encoding="utf-8")  # thousands of files, which nobody reads while they are written


def weighed(result: RunResult) -> dict[str, str]:
    """The SQL of the tests that a run has weighed, by unique id."""
    return {v.check: v.sql for step in result.steps for v in step.verdicts if v.sql}


def write_whole(path: Path, text: str) -> None:
    """Write a file, or leave it as it was. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
