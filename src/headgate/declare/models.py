"""Model, seed and snapshot files to drafts: what is in the folders, what each asks for, how each is configured."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from headgate.declare import keys
from headgate.declare.configs import Config, FolderConfigs, in_file_config, property_config
from headgate.declare.context import Recorder, Var, plain_data
from headgate.declare.document import Entry
from headgate.declare.drafts import Draft
from headgate.declare.folders import SourceFile, read_text
from headgate.declare.macros import Scope
from headgate.declare.memory import key_of
from headgate.declare.mistakes import nearest
from headgate.declare.properties import Patch, Properties, severity_for
from headgate.declare.reading import Reading
from headgate.declare.sandbox import MACROS, CompilerError, TemplateFailed, render
from headgate.declare.syntax import parsed
from headgate.declare.versions import settle_versions
from headgate.spec.errors import Location
from headgate.spec.templating import TemplateRelation

_SNAPSHOT = re.compile(r"\{%[-+]?\s*snapshot\s+([A-Za-z_]\w*)\s*[-+]?%\}(.*?)\{%[-+]?\s*endsnapshot\s*[-+]?%\}", re.S)


def find_drafts(reading: Reading, properties: Properties) -> list[Draft]:
    """All models, seeds and snapshots of project and packages, configured from folders and property files."""
    drafts = [*_models(reading), *_seeds(reading), *_snapshots(reading, properties)]
    files = {(d.resource_type, d.package, d.name) for d in drafts}
    used = settle_versions(drafts, properties, reading)
    configs = _FolderRules(reading)
    for draft in drafts:
        if draft.version is None:
            draft.patch = _patch_of(draft.resource_type, draft.package, draft.name, properties, reading, files)
        if draft.patch is not None:
            used.add((draft.patch.kind, draft.patch.package, draft.patch.name))
        draft.config = configs.of(draft)
        if draft.patch is not None:
            severity = severity_for(draft.patch.package, reading.settings.name, reading.settings.dbt)
            evaluate = _evaluator(reading, draft.patch.package)
            property_config(draft.config, draft.patch.entry, draft.resource_type, severity, evaluate, reading.mistakes)
    _undescribed(properties, used, drafts, reading)
    return drafts


def _evaluator(reading: Reading, package: str) -> Any:
    return lambda text, place: reading.evaluate_in(package, text, place)


class _FolderRules:
    """Folder configs: a package's own under the project's."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._trees: dict[tuple[str, str], FolderConfigs] = {}

    def of(self, draft: Draft) -> Config:
        """A fresh config with what the folders say."""
        kind = draft.resource_type + "s"
        config = Config()
        owners = dict.fromkeys((draft.package, self.reading.settings.name))
        for owner in owners:
            found = self._tree(kind, owner).of(draft.fqn, own=owner == draft.package)
            for key, value in found.values.items():
                config.put(key, value, found.places[key])
        return config

    def _tree(self, kind: str, package: str) -> FolderConfigs:
        key = (kind, package)
        if key not in self._trees:
            configs = next(p.configs for p in self.reading.files.packages if p.name == package)
            tree = configs.get(kind) or Entry()
            self._trees[key] = FolderConfigs(
                tree, package, keys.CONFIG_OF[kind[:-1]], partial(self.reading.evaluate_setting, package)
            )
        return self._trees[key]


def _models(reading: Reading) -> Iterator[Draft]:
    for kind, language in (("models", "sql"), ("python", "python")):
        for file in reading.files.of(kind):
            text = read_text(reading.settings.root, file.path, reading.mistakes)
            if text is not None and not (language == "python" and file.stem.startswith("_")):
                yield Draft("model", file.stem, file, language, text)


def _seeds(reading: Reading) -> Iterator[Draft]:
    for file in reading.files.of("seeds"):
        yield Draft("seed", file.stem, file, "csv", "")


def _snapshots(reading: Reading, properties: Properties) -> Iterator[Draft]:
    for file in reading.files.of("snapshots"):
        text = read_text(reading.settings.root, file.path, reading.mistakes)
        if text is None:
            continue
        blocks = list(_SNAPSHOT.finditer(text))
        if not blocks:
            reading.mistakes.add(
                "HG-D040",
                Location(file.path),
                "the file holds no snapshot",
                expected="{% snapshot name %} … {% endsnapshot %}",
            )
        for block in blocks:
            yield Draft("snapshot", block[1], file, "sql", block[2], first_line=text.count("\n", 0, block.start(2)) + 1)
    for (kind, _, name), patch in properties.patches.items():
        relation = _declared_relation(patch) if kind == "snapshot" else None
        if relation is not None:
            code = "select * from {{ " + relation.strip().removeprefix("{{").removesuffix("}}").strip() + " }}"
            yield Draft("snapshot", name, patch.file, "sql", code, first_line=patch.entry.place[0])


def _declared_relation(patch: Patch) -> str | None:
    """`relation:` of a snapshot in YAML."""
    inner = patch.entry.get("config")
    found = patch.entry.get("relation") or (inner.get("relation") if isinstance(inner, Entry) else None)
    return found if isinstance(found, str) else None


def settle_names(drafts: list[Draft], reading: Reading) -> list[Draft]:
    """One draft per package, name and version: of several files the one that is switched on; more than one that is, is a mistake."""
    first: dict[tuple[str, str, str | None], Draft] = {}
    for draft in sorted(drafts, key=lambda d: not d.enabled):  # those that are switched on come first, each in its order
        before = first.setdefault((draft.package, draft.name, draft.version), draft)
        if before is not draft and draft.enabled and not (draft.failed or before.failed):
            reading.mistakes.add(
                "HG-D020",
                draft.location,
                f"{draft.resource_type} '{draft.name}' has the name of a {before.resource_type} in {before.file.path}",
                expected="names that differ, as ref() finds by name",
                todo="rename one of the two files",
            )
    kept = {id(d) for d in first.values()}
    return [d for d in drafts if id(d) in kept]


def _patch_of(
    kind: str, package: str, name: str, properties: Properties, reading: Reading, files: set[tuple[str, str, str]]
) -> Patch | None:
    """The description by the node's own package; the project may describe a package's node as well."""
    root = reading.settings.name
    found = properties.patches.get((kind, package, name)) or properties.patches.get((kind, root, name))
    if found is None and package == root:  # a file that stands in for a package's own has the package's description
        described = (
            p for (k, owner, n), p in properties.patches.items() if (k, n) == (kind, name) and (k, owner, n) not in files
        )
        found = next(described, None)
    return None if found is not None and found.entry.get("versions") else found


def _undescribed(properties: Properties, used: set[tuple[str, str, str]], drafts: list[Draft], reading: Reading) -> None:
    """A description of something that has no file."""
    for key, patch in properties.patches.items():
        if key in used or patch.package != reading.settings.name:
            continue
        names = {d.name: d.resource_type for d in drafts}
        other = names.get(patch.name)
        near = None if other else nearest(patch.name, [n for n, kind in names.items() if kind == patch.kind])
        what = f"{patch.kind} '{patch.name}' is described here, but there is no file for it"
        if other:
            what = f"'{patch.name}' is described as a {patch.kind}, but it is a {other}"
        reading.mistakes.add(
            "HG-D022",
            patch.entry.value_at("name"),
            what,
            suggestion=near,
            expected=f"a description under '{other}s:'" if other else "the name of an existing file without its ending",
            severity="error" if other or not reading.settings.dbt else "warning",
        )


def ask(draft: Draft, reading: Reading) -> None:
    """Render the draft without knowing any relation: its config(), refs and sources."""
    draft.key = key_of(draft.unique_id, draft.code, draft.file.path, draft.first_line, draft.config.values)
    known = reading.memory.get("asked", draft.key)
    if known is None:
        recorder = Recorder()
        with reading.watched() as env_vars:
            if draft.language == "sql":
                _ask_sql(draft, reading, recorder)
            elif draft.language == "python":
                _ask_python(draft, reading, recorder)
        refs, sources = list(dict.fromkeys(recorder.refs)), list(dict.fromkeys(recorder.sources))
        known = [recorder.config, refs, sources, sorted(draft.macros), draft.ast_hash, sorted(env_vars), draft.introspects]
        if not draft.failed:
            reading.memory.put("asked", draft.key, known)
    config, refs, sources, macros, draft.ast_hash, asked_for, draft.introspects = known
    reading.env_vars.update(asked_for)
    draft.refs = [(package, name, version) for package, name, version in refs]
    draft.sources = [(source, table) for source, table in sources]
    draft.macros = {(package, name) for package, name in macros}
    take_in(draft, config, reading)


def take_in(draft: Draft, given: Mapping[str, Any], reading: Reading) -> None:
    """Put what `config()` said on top of the draft's configuration."""
    severity = severity_for(draft.package, reading.settings.name, reading.settings.dbt)
    what = f"{draft.resource_type} '{draft.name}'"
    in_file_config(draft.config, given, draft.resource_type, draft.config_place, severity, what, reading.mistakes)


def _ask_sql(draft: Draft, reading: Reading, recorder: Recorder) -> None:
    try:
        template = draft.template = reading.template(draft.code, draft.file.path, draft.first_line)
        catalog = reading.settings.lake.name
        twice = "is_incremental" in draft.code
        for incremental in (False, True) if twice else (False,):
            names = reading.names(
                draft.package,
                recorder,
                draft.config.values,
                model=model_names(draft),
                this=TemplateRelation(catalog, "", draft.name),
                ref=_recording_ref(recorder, catalog),
                source=_recording_source(recorder, catalog),
                is_incremental=_constant(incremental),
            )
            if reading.settings.dbt:
                names["var"] = Var(reading.variables.get(draft.package) or reading.settings.variables, draft.package, asking=True)
            render(template, names, draft.file.path)
            note(draft, names[MACROS])
    except TemplateFailed as error:
        draft.failed = True
        if draft.enabled or not reading.settings.dbt:  # what folders switch off may be for another engine
            reading.fail(error)


def note(draft: Draft, scope: Scope) -> None:
    """Keep what a rendering has used."""
    draft.macros |= scope.used
    draft.introspects |= scope.introspects


def _constant(value: Any) -> Any:
    return lambda: value


def model_names(draft: Draft) -> dict[str, Any]:
    """`model` as a template sees it."""
    return {
        "name": draft.name,
        "alias": draft.relation.name or draft.name,
        "schema": draft.relation.schema,
        "database": "lake",
        "package_name": draft.package,
        "unique_id": draft.unique_id,
        "resource_type": draft.resource_type,
        "original_file_path": draft.file.inner,
        "path": draft.file.inner,
        "fqn": list(draft.fqn),
        "config": draft.config.values,
        "tags": draft.value("tags", []),
        "meta": draft.value("meta", {}),
        "raw_code": draft.code,
        "language": draft.language,
        "version": draft.version,
        "columns": {},
        "depends_on": {"nodes": list(draft.depends_on), "macros": []},
        "batch": None,
    }


def _recording_ref(recorder: Recorder, catalog: str) -> Any:
    def ref(*args: Any, v: Any = None, version: Any = None) -> TemplateRelation:
        recorder.refs.append(ref_of(args, v if v is not None else version))
        return TemplateRelation(catalog, "", str(args[-1]))

    return ref


def ref_of(args: tuple[Any, ...], version: Any) -> tuple[str | None, str, str | None]:
    """The arguments of ref() as (package, name, version). Raises CompilerError."""
    if len(args) not in (1, 2) or not all(isinstance(a, str) for a in args):
        raise CompilerError("ref() takes a model's name, or a package and a model's name")
    return (args[0] if len(args) == 2 else None, args[-1], None if version is None else str(version))


def _recording_source(recorder: Recorder, catalog: str) -> Any:
    def source(*args: Any) -> TemplateRelation:
        recorder.sources.append(source_of(args))
        return TemplateRelation(catalog, args[0], args[1])

    return source


def source_of(args: tuple[Any, ...]) -> tuple[str, str]:
    """The arguments of source(). Raises CompilerError."""
    if len(args) != 2 or not all(isinstance(a, str) for a in args):
        raise CompilerError("source() takes a source's name and a table's name")
    return args[0], args[1]


def _ask_python(draft: Draft, reading: Reading, recorder: Recorder) -> None:
    """Find `dbt.ref`, `dbt.source` and `dbt.config` in a Python model without running it."""
    try:
        tree = parsed(draft.code, file=draft.file.path)
    except SyntaxError as error:
        draft.failed = True
        reading.mistakes.add(
            "HG-D051", Location(draft.file.path, error.lineno or 1, error.offset or 0), f"Python syntax: {error.msg}"
        )
        return
    draft.ast_hash = ast.dump(tree)
    model = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "model"), None)
    if model is None or len(model.args.args) != 2:
        draft.failed = True
        place = Location(draft.file.path, model.lineno if model else 1)
        reading.mistakes.add(
            "HG-D051",
            place,
            f"Python model '{draft.name}' has no function model(dbt, session)",
            expected="def model(dbt, session):",
        )
        return
    handle = model.args.args[0].arg
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        target = call.func
        if not (isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == handle):
            continue
        if target.attr in ("ref", "source", "config"):
            _python_call(draft, call, target.attr, recorder, reading)


def _python_call(draft: Draft, call: ast.Call, kind: str, recorder: Recorder, reading: Reading) -> None:
    try:
        args = tuple(ast.literal_eval(a) for a in call.args)
        keywords = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg}
        if kind == "config":
            recorder.config.update({k: plain_data(v) for k, v in keywords.items()})
        elif kind == "ref":
            recorder.refs.append(ref_of(args, keywords.get("v", keywords.get("version"))))
        else:
            recorder.sources.append(source_of(args))
    except (ValueError, CompilerError) as error:
        what = str(error) if isinstance(error, CompilerError) else f"dbt.{kind}() has an argument that is no literal"
        reading.mistakes.add(
            "HG-D051",
            Location(draft.file.path, call.lineno, call.col_offset + 1),
            what,
            expected="literal arguments, as the file is read without being run",
        )


def seed_header(root: str, file: SourceFile, delimiter: str) -> tuple[str, ...]:
    """The column names of a seed; empty when the file is."""
    import csv

    with Path(root, file.path).open(encoding="utf-8-sig", newline="") as lines:
        return tuple(next(csv.reader(lines, delimiter=delimiter), ()))


def seed_hash(root: str, file: SourceFile) -> str:
    """What identifies a seed's content."""
    import hashlib

    with Path(root, file.path).open("rb") as content:
        return hashlib.file_digest(content, "blake2b").hexdigest()[:32]


def folder_names(drafts: list[Draft], package: str) -> set[str]:
    """All folders, names and packages that a folder-level config may name."""
    found = {part for draft in drafts for part in draft.fqn}
    return found | {package}


def existing_folders(root: str, paths: tuple[str, ...]) -> set[str]:
    """The names of all folders below `paths`, empty ones too."""
    return {name for path in paths for _, names, _ in os.walk(Path(root, path)) for name in names}
