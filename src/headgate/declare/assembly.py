"""Puts a project together: files, macros, properties, nodes, sources, links, checks, each after what it needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headgate.declare import keys, shapes
from headgate.declare.access import check_access
from headgate.declare.cache import store
from headgate.declare.checks import CheckReader
from headgate.declare.configs import check_folder_configs
from headgate.declare.contracts import contract_checks, enforced
from headgate.declare.document import Entry
from headgate.declare.drafts import Draft
from headgate.declare.exposures import read_exposures
from headgate.declare.folders import Files, find_files, read_text
from headgate.declare.linking import Links, check_circles, link, render_canonical, with_ephemeral
from headgate.declare.macros import MacroFile, Macros, builtin_files
from headgate.declare.memory import Memory, context_of, key_of
from headgate.declare.mistakes import Mistakes
from headgate.declare.models import ask, existing_folders, find_drafts, folder_names, seed_hash, settle_names
from headgate.declare.naming import check_relations, name_relations
from headgate.declare.packages import FILES, wanted_in
from headgate.declare.properties import Properties, columns_of, constraints_of, read_properties, tags_of
from headgate.declare.quick import environment_of, last_reading, signature
from headgate.declare.reading import Reading
from headgate.declare.resources import ResourceReader, read_docs, read_groups
from headgate.declare.rules import check_publish_groups, check_rules
from headgate.declare.sandbox import Environment, TemplateFailed
from headgate.declare.selectors import read_selectors
from headgate.declare.settings import Settings, read_settings
from headgate.declare.sources import read_sources
from headgate.declare.sql import fingerprint, normal_text
from headgate.declare.subjects import subjects
from headgate.declare.unit_tests import UnitTestReader
from headgate.spec.errors import Location
from headgate.spec.project import Node, Project


def read_project(root: str, environment: str, variables: Mapping[str, Any], *, keep: bool) -> tuple[Project, str]:
    """The project in `root` and the quick digest of the files read; with `keep` it is left in the cache.

    Raises DeclarationError with every mistake.
    """
    mistakes = Mistakes()
    settings = read_settings(root, environment, variables, mistakes)
    mistakes.lenient = settings.dbt
    files = find_files(settings, mistakes)
    reading = Reading(settings, files, read_macros(settings, files, mistakes), mistakes)
    if keep:
        earlier = set(last_reading(root).get("env_vars") or ())
        reading.memory = Memory.open(root, environment, _context(reading, variables, earlier))
    properties = read_properties(reading)
    drafts = find_drafts(reading, properties)
    _check_folders(drafts, reading)
    for draft in drafts:
        ask(draft, reading)
    drafts = settle_names(drafts, reading)
    enabled = [d for d in drafts if d.enabled]
    name_relations(drafts, reading)
    check_relations(enabled, mistakes)
    sources, written, off = read_sources(properties, reading)
    links = Links.of(drafts, sources, settings.name)
    links.off_sources = off
    for draft in enabled:
        link(draft, links, mistakes)
    check_circles(enabled, mistakes)
    for draft in enabled:
        render_canonical(draft, links, reading)
    for draft in enabled:
        check_rules(draft, reading)
    checks = _checks(enabled, written, links, reading, properties)
    contracts = contract_checks(enabled, checks, reading)
    publish_groups = check_publish_groups(drafts, reading)
    described = {**read_groups(properties, reading), **read_docs(properties)}
    check_access(enabled, links, described, reading)
    others = ResourceReader(properties, links, checks, reading)
    resources = {**described, **others.read()}
    exposures = read_exposures(properties, checks, others, reading)
    selectors = read_selectors(reading)
    unit_tests = UnitTestReader(links, checks, reading).read(properties)
    _check_packages(reading)
    nodes = {} if mistakes.errors else _nodes(enabled, reading)
    switched_off = {} if mistakes.errors else {d.unique_id: _node(d, ("", ""), reading) for d in drafts if not d.enabled}
    if keep:
        reading.memory.save(root, environment, _context(reading, variables, reading.env_vars))
    mistakes.raise_if_any(settings.name)
    project = Project(
        name=settings.name,
        root=root,
        environment=settings.environment,
        schema_prefix=settings.schema_prefix,
        lake=settings.lake,
        state=settings.state,
        digest=content_digest(reading),
        nodes=nodes,
        sources=sources,
        checks=checks.found,
        contract_checks=contracts,
        exposures=exposures,
        publish_groups=publish_groups,
        variables=settings.variables,
        secrets=settings.secrets,
        prices=settings.prices,
        quotas=settings.quotas,
        audit_columns=settings.audit_columns,
        options=_options(settings, files),
        notices=mistakes.notices,
        dbt=settings.dbt,
        resources=resources,
        unit_tests=unit_tests,
        selectors=selectors,
        disabled=switched_off,
    )
    if keep:
        said = {"folders": list(files.folders), "files": list(files.outside), "env_vars": sorted(reading.env_vars)}
        store(project, environment, variables, files.stamps, said)
    return project, signature(files.stamps, environment_of(reading.env_vars))


def _options(settings: Settings, files: Files) -> Mapping[str, Any]:
    """The project's options; its packages' statements before and after a run come before its own, as in dbt."""
    found = dict(settings.options)
    for key in ("on-run-start", "on-run-end"):
        given = [t for p in files.packages if p.folder for t in shapes.texts(p.settings, key, Mistakes())]
        if given:
            found[key] = [*given, *(found.get(key) or ())]
    return found


def _context(reading: Reading, variables: Mapping[str, Any], env_vars: set[str]) -> str:
    texts = {f.path: f.text for known in reading.macros.packages.values() for f in known.values()}
    settings = [
        read_text(reading.settings.root, p, Mistakes())
        for p in reading.files.stamps
        if p.count("/") in (0, 2) and p.endswith((reading.settings.file, "dbt_project.yml"))
    ]
    return context_of("\n".join(text or "" for text in settings), variables, texts, env_vars)


def read_macros(settings: Settings, files: Files, mistakes: Mistakes) -> Macros:
    """All macro files of project and packages, and the built-in library. The project's own are parsed, so that mistakes show."""
    macros = Macros(Environment(dbt=settings.dbt), settings.name, dispatch=dict(settings.dispatch))
    for package in files.packages:
        macros.packages.setdefault(package.name, {})
    for file in builtin_files():
        macros.add(file)
    for source in (*files.of("macros"), *files.of("generic")):
        text = read_text(settings.root, source.path, mistakes)
        if text is None:
            continue
        file = MacroFile(source.package, source.path, text)
        for name, line, first in macros.add(file):
            mistakes.add(
                "HG-D020",
                Location(source.path, line),
                f"macro '{name}' is also in {first.path}",
                expected="one macro of a name in a package",
                todo="rename one of the two",
            )
        if source.package == settings.name:
            try:
                file.template(macros.environment)
            except TemplateFailed as error:
                mistakes.add(error.code, error.location, f"the template's syntax is wrong: {error.what}")
    return macros


def _check_folders(drafts: list[Draft], reading: Reading) -> None:
    """Folder-level configs that name an unknown key or nothing that exists."""
    settings = reading.settings
    severity = "notice" if settings.dbt else "error"
    for kind, paths in (("model", "model-paths"), ("seed", "seed-paths"), ("snapshot", "snapshot-paths")):
        names = folder_names([d for d in drafts if d.resource_type == kind], settings.name)
        names |= existing_folders(settings.root, settings.folders[paths]) | {p.name for p in reading.files.packages}
        tree = settings.configs.get(kind + "s") or Entry()
        check_folder_configs(tree, kind + "s", keys.CONFIG_OF[kind], names, severity, reading.mistakes)


def _checks(
    drafts: list[Draft], written: Mapping[str, Any], links: Links, reading: Reading, properties: Properties
) -> CheckReader:
    checks = CheckReader(reading, links)
    for subject in subjects({d.unique_id: d for d in drafts}, written, links):
        checks.attached(subject)
    for file in reading.files.of("tests"):
        checks.singular(file, properties)
    return checks


def _check_packages(reading: Reading) -> None:
    """Packages that `packages.yml` names but nobody has filled in."""
    settings, m = reading.settings, reading.mistakes
    if not any(name in reading.files.stamps for name in FILES):
        return
    install = settings.folders["packages-install-path"][0]
    installed = {p.name for p in reading.files.packages} - {settings.name}
    wanted = wanted_in(settings.root, m)
    unclaimed = installed - {one.short for one in wanted}  # a git or local package tells its name only once it is there
    for one in wanted:
        if one.short in installed or unclaimed:
            continue
        what = f"package '{one.short if one.kind == 'package' else one.source}' is not in {install}/"
        todo = "run: headgate deps, or copy the folder there"
        m.add("HG-D090", one.place, what, expected="the package's files", todo=todo)


def _nodes(drafts: list[Draft], reading: Reading) -> dict[str, Node]:
    by_id = {d.unique_id: d for d in drafts}
    texts = {
        d.unique_id: (with_ephemeral(by_id, d, d.canonical_sql), with_ephemeral(by_id, d, d.canonical_incremental_sql))
        for d in drafts
    }
    return {d.unique_id: _node(d, texts[d.unique_id], reading) for d in drafts}


def _node(draft: Draft, texts: tuple[str, str], reading: Reading) -> Node:
    config = {k: v for k, v in draft.config.values.items() if v is not None}
    if draft.materialized != "view":
        config.pop("views", None)  # set for a whole folder, it says nothing of its tables
    entry = draft.patch.entry if draft.patch else None
    grain = config.get("grain")
    tier = config.get("tier")
    return Node(
        unique_id=draft.unique_id,
        resource_type=draft.resource_type,
        name=draft.name,
        package=draft.package,
        relation=draft.relation,
        location=draft.location,
        path=draft.file.inner,
        language=draft.language,
        raw_code=draft.code,
        materialized=draft.materialized,
        config=config,
        depends_on=draft.depends_on,
        canonical_sql=texts[0],
        canonical_incremental_sql=texts[1],
        code_fingerprint=_fingerprint(draft, texts, config, reading),
        columns=columns_of(entry),
        description=_description(entry),
        owner=config.get("owner"),
        grain=(grain,) if isinstance(grain, str) else tuple(grain or ()),
        tier=tier,
        publish_group=config.get("publish_group"),
        tags=tags_of(config.get("tags")),
        meta=config.get("meta") or {},
        fqn=draft.fqn,
        version=draft.version,
        latest_version=_text(config.get("latest_version")) if draft.version else None,
        deprecation_date=_text(config.get("deprecation_date")),
        access=str(config.get("access") or "protected"),
        group=_text(config.get("group")),
        contract_enforced=enforced(config),
        constraints=constraints_of(entry),
        patch_path=draft.patch.file.path if draft.patch else "",
        macros=tuple(f"macro.{package}.{name}" for package, name in sorted(draft.macros)),
        refs=tuple(draft.refs),
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _description(entry: Entry | None) -> str:
    return str(entry.get("description") or "") if entry is not None else ""


def _fingerprint(draft: Draft, texts: tuple[str, str], config: Mapping[str, Any], reading: Reading) -> str:
    """Of the rendered text, or the file's content for seeds and Python; and of macros whose outcome is only known at run time."""
    if draft.language == "csv":
        return fingerprint({**config, "materialized": draft.materialized}, seed_hash(reading.settings.root, draft.file))
    if draft.language == "python":
        return fingerprint({**config, "materialized": draft.materialized}, draft.ast_hash)
    late: list[str] = []
    if draft.introspects:
        files = {f.path: f.text for f in (reading.macros.packages.get(p, {}).get(n) for p, n in draft.macros) if f is not None}
        late = [draft.code, *(files[path] for path in sorted(files))]
    chosen = config.get("strategy") if draft.materialized == "snapshot" else config.get("incremental_strategy")
    late += reading.macros.texts_of(draft.materialized, str(chosen or ""))
    normal = [_normal(text, reading.memory) for text in dict.fromkeys(texts)]
    return fingerprint({**config, "materialized": draft.materialized}, *normal, *late)


def _normal(text: str, memory: Memory) -> str:
    """A hash of the text's normal form."""
    key = key_of(text)
    known = memory.get("normal", key) or key_of(normal_text(text))
    memory.put("normal", key, known)
    return str(known)


def content_digest(reading: Reading) -> str:
    """What names the content of all files, variables and environment variables read."""
    digest = hashlib.blake2b(digest_size=16)
    settings = reading.settings
    for path in sorted(reading.files.stamps):
        digest.update(path.encode() + b"\0")
        with Path(settings.root, path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    said = [settings.environment, settings.variables, environment_of(reading.env_vars)]
    digest.update(json.dumps(said, sort_keys=True, default=str).encode())
    return digest.hexdigest()
