"""Data tests: generic ones from property files, singular ones from the tests folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from headgate.declare import keys, shapes
from headgate.declare.configs import FolderConfigs, evaluated
from headgate.declare.context import Recorder
from headgate.declare.document import Entry, Items
from headgate.declare.drafts import Draft, Ref
from headgate.declare.folders import SourceFile, read_text
from headgate.declare.linking import Links, render_canonical, resolve_ref, resolve_source
from headgate.declare.mistakes import Mistakes, nearest
from headgate.declare.models import ref_of, source_of
from headgate.declare.naming import default_schema
from headgate.declare.properties import Properties, severity_for, tags_of
from headgate.declare.reading import Reading
from headgate.declare.sandbox import MACROS, TemplateFailed, guarded, render
from headgate.declare.subjects import Subject, added, arguments_of, is_a, named_test
from headgate.declare.testnames import DBT_ORDER, generic_name, generic_short_name, ordinary_metadata, test_id, test_metadata
from headgate.ports.plugins import manifests
from headgate.ports.source import Manifest
from headgate.spec.errors import Location
from headgate.spec.project import CheckSpec, SourceTable
from headgate.spec.templating import TemplateRelation

_REF = re.compile(
    r"^\s*(?:\{\{)?\s*ref\(\s*(?:['\"](\w+)['\"]\s*,\s*)?['\"](\w+)['\"]\s*(?:,\s*v(?:ersion)?\s*=\s*['\"]?(\w+)['\"]?\s*)?\)\s*(?:\}\})?\s*$"
)
_SOURCE = re.compile(r"^\s*(?:\{\{)?\s*source\(\s*['\"](\w+)['\"]\s*,\s*['\"](\w+)['\"]\s*\)\s*(?:\}\})?\s*$")
_NUMBER = r"-?\d+(?:\.\d+)?"
_TERM = rf"(?:(?:!=|<>|==?|<=|>=|<|>)\s*{_NUMBER}|between\s+{_NUMBER}\s+and\s+{_NUMBER})"
_CONFIG = re.compile(r"\bconfig\s*\(")
_COMPARISON = re.compile(rf"\s*{_TERM}(?:\s+(?:and|or)\s+{_TERM})*\s*", re.I)  # what the gate can read


@dataclass(slots=True)
class CheckReader:
    """Collects the checks of a project."""

    reading: Reading
    links: Links
    found: dict[str, CheckSpec] = field(default_factory=dict)
    _lost: bool = False  # whether the test that is read refers to something that is not there
    _drafts_of_tests: dict[str, Draft] = field(default_factory=dict)
    _trees: dict[str, FolderConfigs] = field(default_factory=dict)

    def attached(self, subject: Subject) -> None:
        """The generic tests in a subject's entry and in its columns."""
        for value, place in self._listed(subject.entry):
            self._generic(value, place, subject, None)
        columns = subject.entry.get("columns")
        for column in columns if isinstance(columns, Items) else ():
            if isinstance(column, Entry) and isinstance(column.get("name"), str):
                for value, place in self._listed(column):
                    self._generic(value, place, subject, column["name"])

    def _listed(self, entry: Entry) -> Iterator[tuple[Any, Location]]:
        for key in ("data_tests", "tests"):
            items = entry.get(key)
            if items is None:
                continue
            if not isinstance(items, Items):
                shapes.wrong_type(entry, key, "a list of tests", self.reading.mistakes)
                continue
            for index, item in enumerate(items):
                yield item, items.at(index)

    def _generic(self, value: Any, place: Location, subject: Subject, column: str | None) -> None:
        m = self.reading.mistakes
        where = f"column '{column}' of {subject.label}" if column else subject.label
        named = named_test(value)
        if named is None:
            m.add(
                "HG-D012", place, f"a test of {where} is {shapes.told(value)}", expected="a test's name, or '- name: {arguments}'"
            )
            return
        kind, body, place = named[0], named[1], named[2] or place
        resolved = self._kind(kind, place, where)
        if resolved is None:
            return
        arguments, places = arguments_of(body)
        config = self._config(body, subject.package, subject.folders, where, self._said_by_macro(resolved, arguments, column))
        tags = tags_of(subject.tags, subject.columns[column].tags if column and column in subject.columns else ())
        if tags:
            config["tags"] = list(tags_of(tags, config.get("tags")))
        under = column
        column = str(arguments.pop("column_name", column)) if "column_name" in arguments or column else None
        ok = self._check_arguments(resolved, arguments, places, place, where, column)
        if not ok or config.get("enabled") is False:
            return
        written = {**arguments, **({"column_name": column} if column else {})}
        full = generic_name(kind, subject.prefix, subject.name, written)
        name, metadata = str(body.get("name") or full), test_metadata(kind, subject.reference, written)
        metadata |= {"column": under, "config": self._own_config(body, config)}
        short = name if "name" in body else generic_short_name(kind, subject.prefix, subject.name, full)
        self._lost = False
        depends, arguments = self._resolve_arguments(arguments, places, resolved, subject, place)
        if self._lost and self.reading.settings.dbt:
            return  # what it compares with is switched off: so is the test, as in dbt
        raw = ""
        if resolved.startswith("macro:"):
            package, _, macro = resolved.removeprefix("macro:").rpartition(".")
            owner = self.reading.macros.test_macro(macro, package or None)
            raw = f"{{{{ test_{macro}(model) }}}}{{# {_short(owner[1].text if owner else '')} #}}"
        self._keep(
            name,
            resolved,
            place,
            subject.unique_id,
            column,
            arguments,
            tuple(dict.fromkeys((subject.unique_id, *depends))),
            raw,
            config,
            subject.package,
            metadata=metadata,
            alias=short,
            own_name="name" in body,
            folders=subject.folders,
            path=subject.file.inner,
            description=str(body.get("description") or ""),
        )

    def _kind(self, kind: str, place: Location, where: str) -> str | None:
        """The check's kind: the project's own test macro, a package's, or a plug-in's."""
        package, _, short = kind.rpartition(".")
        macro = self.reading.macros.test_macro(short, package or None)
        if macro is not None:
            return f"macro:{macro[0]}.{short}" if macro[0] != self.reading.settings.name else f"macro:{short}"
        known = manifests("checks")
        if short in known and (not package or package.startswith("dbt") or package == "headgate"):
            return short
        macros = [
            n.removeprefix("test_") for names in self.reading.macros.packages.values() for n in names if n.startswith("test_")
        ]
        near = nearest(short, [*known, *macros])
        todo = (
            f"fill the package '{package}' into {self.reading.settings.folders['packages-install-path'][0]}/"
            if package and near is None
            else ""
        )
        self.reading.mistakes.add(
            "HG-D080",
            place,
            f"unknown test '{kind}' on {where}",
            expected="" if near or todo else "one of " + ", ".join(sorted(known)),
            todo=todo,
            suggestion=near,
        )
        return None

    def _said_by_macro(self, kind: str, arguments: Mapping[str, Any], column: str | None) -> dict[str, Any]:
        """What `config()` inside a generic test's macro says: the default of all tests of this kind."""
        package, _, name = kind.removeprefix("macro:").rpartition(".")
        owner = self.reading.macros.test_macro(name, package or None) if kind.startswith("macro:") else None
        if owner is None or not _CONFIG.search(owner[1].text):
            return {}
        recorder = Recorder()
        names = self.reading.names(owner[0], recorder, {}, **self.recording(recorder))
        macro = names[MACROS].member(owner[0], f"test_{name}")
        given = {**arguments, **({"column_name": column} if column and "column_name" not in arguments else {})}
        relation = TemplateRelation(self.reading.settings.lake.name, "", "test")
        with suppress(TemplateFailed):  # what it needs of the database shows when the test is weighed
            guarded(lambda: macro(model=relation, **given), owner[1].path)
        return recorder.config

    def _config(
        self, body: Entry, package: str, folders: tuple[str, ...], where: str, macro: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Folder config for tests, then what the macro itself says, then the test's own keys, then its `config:`."""
        found = self._folder_config(folders)
        for key, value in (macro or {}).items():
            found[key] = added(key, found.get(key), value)
        severity = severity_for(package, self.reading.settings.name, self.reading.settings.dbt)
        inner = shapes.mapping(body, "config", self.reading.mistakes)
        shapes.known_keys(inner, keys.TEST_CONFIG, f"'config' of a test of {where}", self.reading.mistakes, severity=severity)
        for entry in (body, inner):
            for key in keys.TEST_CONFIG:
                if entry.get(key) is not None:
                    said = evaluated(entry[key], entry.value_at(key), lambda t, p: self.reading.evaluate_in(package, t, p))
                    self._check_config(key, said, entry.value_at(key))
                    found[key] = added(key, found.get(key), said)
        found |= {key: shapes.plain(inner[key]) for key in inner if key not in keys.TEST_CONFIG}
        return found

    def _own_config(self, body: Entry, config: Mapping[str, Any]) -> dict[str, Any]:
        """What stands at the test itself, of its whole config, in dbt's order."""
        inner = body.get("config")
        said = {*body, *(inner if isinstance(inner, Entry) else ())}
        return {key: config[key] for key in (*DBT_ORDER, *config) if key in said and config.get(key) is not None}

    def _folder_config(self, fqn: tuple[str, ...]) -> dict[str, Any]:
        """What the folder configs of the test's own package, and over them the project's, say."""
        found: dict[str, Any] = {}
        for package in dict.fromkeys((fqn[0], self.reading.settings.name)):
            tree = self._trees.get(package)
            if tree is None:
                configs = next((p.configs.get("tests") for p in self.reading.files.packages if p.name == package), None)
                evaluate = partial(self.reading.evaluate_setting, package)
                tree = self._trees[package] = FolderConfigs(configs or Entry(), package, keys.TEST_CONFIG, evaluate)
            for key, value in tree.of((*fqn, ""), own=fqn[0] == package).values.items():
                found[key] = added(key, found.get(key), value)
        return found

    def _check_config(self, key: str, value: Any, place: Location) -> None:
        m = self.reading.mistakes
        if key == "severity":
            shapes.one_of(str(value).lower(), ("error", "warn"), key, place, m)
        elif key == "on_fail" and value == "quarantine":
            m.add(
                "HG-D015",
                place,
                "'on_fail: quarantine' is not offered yet: nothing would hold the rows",
                expected="block or warn",
            )
        elif key == "on_fail":
            shapes.one_of(value, keys.ON_FAIL, key, place, m)
        elif key == "store_failures_as":
            shapes.one_of(value, ("table", "view", "ephemeral"), key, place, m)
        elif key in ("warn_if", "error_if") and not (isinstance(value, str) and _COMPARISON.fullmatch(value)):
            m.add("HG-D015", place, f"'{key}' is {shapes.told(value)}", expected="a comparison such as '> 10' or '!= 0'")
        elif key == "limit" and (isinstance(value, bool) or not isinstance(value, int)):
            m.add("HG-D012", place, f"'limit' is {shapes.told(value)}", expected="a number of rows")

    def _check_arguments(
        self,
        kind: str,
        arguments: Mapping[str, Any],
        places: Mapping[str, Location],
        place: Location,
        where: str,
        column: str | None,
    ) -> bool:
        if kind.startswith("macro:"):
            return True
        manifest: Manifest = manifests("checks")[kind]
        m, ok = self.reading.mistakes, True
        names = [o.name for o in manifest.options]
        for name in arguments:
            if name not in names:
                near = nearest(name, [*names, *keys.TEST_KEYS])
                m.add(
                    "HG-D081",
                    places.get(name, place),
                    f"test '{kind}' on {where} has no argument '{name}'",
                    expected="" if near else ("one of " + ", ".join(names) if names else "no arguments"),
                    suggestion=near,
                )
                ok = False
        for option in manifest.options:
            value = arguments.get(option.name)
            if value is None and option.required:
                m.add(
                    "HG-D081",
                    place,
                    f"test '{kind}' on {where} lacks '{option.name}'",
                    expected=f"{option.name}: <{option.type}>",
                )
                ok = False
            elif value is not None and not is_a(value, option.type):
                m.add(
                    "HG-D081",
                    places.get(option.name, place),
                    f"'{option.name}' of test '{kind}' is {shapes.told(value)}",
                    expected=f"a {option.type}",
                )
                ok = False
        if "column" in manifest.capabilities and column is None:
            m.add(
                "HG-D081",
                place,
                f"test '{kind}' on {where} needs a column",
                expected="it under 'columns:', or an argument 'column_name'",
            )
            ok = False
        return ok

    def _resolve_arguments(
        self, arguments: dict[str, Any], places: Mapping[str, Location], kind: str, subject: Subject, place: Location
    ) -> tuple[list[str], dict[str, Any]]:
        """Arguments that are ref() or source(): a plug-in gets the unique id, a macro the template text."""
        depends: list[str] = []
        found: dict[str, Any] = {}
        for name, value in arguments.items():
            found[name] = value
            if not isinstance(value, str):
                continue
            unique_id = self.reference(value, subject.package, places.get(name, place), f"a test of {subject.label}", test=True)
            if unique_id:
                depends.append(unique_id)
                found[name] = unique_id if not kind.startswith("macro:") else "{{ " + value.strip().strip("{}").strip() + " }}"
            elif kind.startswith("macro:"):
                continue  # rendered with all names and macros when the test runs, as in dbt
            elif ("{{" in value or "{%" in value) and unique_id is None and not (_REF.match(value) or _SOURCE.match(value)):
                found[name] = self.reading.evaluate_in(subject.package, value, places.get(name, place))
        return depends, found

    def reference(self, text: str, package: str, place: Location, who: str, *, test: bool = False) -> str | None:
        """The unique id that a text `ref('…')` or `source('…', '…')` means; None for any other text, or with a mistake.

        That a `test` of a dbt project refers to what is not there is worth a warning only.
        """
        quiet = Mistakes()
        found: Draft | SourceTable | None = None
        if match := _REF.match(text):
            ref: Ref = (match[1], match[2], match[3])
            found = resolve_ref(ref, package, self.links, lambda: place, who, quiet)
        elif match := _SOURCE.match(text):
            found = resolve_source((match[1], match[2]), self.links, lambda _: place, who, quiet)
        self._lost |= bool(quiet.errors)
        softer = test and self.reading.settings.dbt
        self.reading.mistakes.keep(replace(d, severity="warning") if softer else d for d in quiet.found)
        return found.unique_id if found is not None else None

    def _keep(
        self,
        name: str,
        kind: str,
        place: Location,
        attached: str | None,
        column: str | None,
        arguments: Mapping[str, Any],
        depends: tuple[str, ...],
        raw: str,
        config: Mapping[str, Any],
        package: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        alias: str = "",
        own_name: bool = False,
        folders: tuple[str, ...] = (),
        path: str = "",
        description: str = "",
    ) -> None:
        unique_id = test_id(package, name, metadata)
        first = self.found.get(unique_id)
        if own_name and first is None and not self.reading.settings.dbt:  # dbt takes a name twice when what is tested differs
            first = next((c for c in self.found.values() if c.name == name and c.package == package), None)
        if first is not None:
            twice = first.unique_id == unique_id and first.where == config.get("where") and kind != "singular"
            if own_name or kind == "singular" or twice:
                self._clash(name, place, first, twice=twice)
                return
            name = f"{name}_{_short([arguments, config, column])}"  # dbt cannot tell tests apart that differ in config alone
            unique_id = test_id(package, name, metadata)
        severity = str(config.get("severity") or "error").lower()
        self.found[unique_id] = CheckSpec(
            unique_id=unique_id,
            name=name,
            kind=kind,
            package=package,
            location=place,
            attached_to=attached,
            column=column,
            arguments=arguments,
            depends_on=depends,
            raw_code=raw,
            severity=severity if severity in ("error", "warn") else "error",
            warn_if=str(config.get("warn_if") or "!= 0"),
            error_if=str(config.get("error_if") or "!= 0"),
            fail_calc=str(config.get("fail_calc") or "count(*)"),
            where=config.get("where"),
            limit=config.get("limit"),
            failures_table=self._failures_table(alias or name, config),
            metadata=metadata if metadata and metadata != ordinary_metadata(kind, attached, column, arguments) else {},
            alias="" if (config.get("alias") or alias or name) == name else str(config.get("alias") or alias),
            on_fail=str(config.get("on_fail") or "block"),
            tags=tags_of(config.get("tags")),
            meta=config.get("meta") or {},
            fqn=(*folders, name),
            path=path,
            config=dict(config),
            description=description,
        )

    def _failures_table(self, name: str, config: Mapping[str, Any]) -> str | None:
        """Where dbt's `store_failures` keeps the failing rows: a table by the test's name or `alias` in the schema for audits."""
        stored = config.get("store_failures_as")
        if stored == "ephemeral" or not (stored or config.get("store_failures")):
            return None
        schema = default_schema(str(config.get("schema") or "dbt_test__audit"), self.reading.settings)
        return f"{schema}.{config.get('alias') or name}"

    def _clash(self, name: str, place: Location, first: CheckSpec, *, twice: bool) -> None:
        what = "stands twice (first at" if twice else "has the name of another test (at"
        self.reading.mistakes.add(
            "HG-D020",
            place,
            f"test '{name}' {what} {first.location})",
            expected="each test once" if twice else "names that differ",
            todo="remove one, or give one a 'name:'" if twice else "",
        )

    def singular(self, file: SourceFile, properties: Properties) -> None:
        """A query of the tests folder: its rows are failures."""
        text = read_text(self.reading.settings.root, file.path, self.reading.mistakes)
        if text is None:
            return
        draft = Draft("test", file.stem, file, "sql", text)
        recorder = Recorder()
        try:
            template = self.reading.template(text, file.path)
            names = self.reading.names(file.package, recorder, {}, **self.recording(recorder), model={"name": file.stem})
            render(template, names, file.path)
        except TemplateFailed as error:
            self.reading.fail(error)
            return
        who = f"test '{file.stem}'"
        entry = properties.singular.get((file.package, file.stem))
        config = {
            **self._folder_config((file.package, *file.folders)),
            **(self._config(entry, file.package, (file.package, *file.folders), who) if entry else {}),
        }
        for name, value in recorder.config.items():
            config[name] = added(name, config.get(name), value)
        if config.get("enabled") is False:
            return
        depends, quiet = [], Mistakes()
        for ref in dict.fromkeys(recorder.refs):
            node = resolve_ref(ref, file.package, self.links, partial(draft.ref_place, ref), who, quiet)
            depends += [node.unique_id] if node else []
        for key in dict.fromkeys(recorder.sources):
            table = resolve_source(key, self.links, partial(draft.source_place, key), who, quiet)
            depends += [table.unique_id] if table else []
        self.reading.mistakes.keep(replace(d, severity="warning") if self.reading.settings.dbt else d for d in quiet.found)
        if quiet.errors and self.reading.settings.dbt:
            return  # what it reads is switched off: so is the test, as in dbt
        if not draft.failed and len(depends) == len(set(recorder.refs)) + len(set(recorder.sources)):
            draft.template, draft.depends_on = template, tuple(depends)
            render_canonical(draft, self.links, self.reading)
        nodes = [d for d in depends if not d.startswith("source.")]
        attached = depends[0] if len(depends) == 1 else nodes[0] if len(nodes) == 1 else None
        self._keep(
            file.stem,
            "singular",
            Location(file.path),
            attached,
            None,
            {},
            tuple(depends),
            text,
            config,
            file.package,
            folders=(file.package, *file.folders),
            path=file.inner,
            description=str(entry.get("description") or "") if entry else "",
        )

    def recording(self, recorder: Recorder) -> dict[str, Any]:
        """`ref`, `source` and `this` that note in `recorder` what is asked for."""
        catalog = self.reading.settings.lake.name

        def ref(*args: Any, v: Any = None, version: Any = None) -> TemplateRelation:
            recorder.refs.append(ref_of(args, v if v is not None else version))
            return TemplateRelation(catalog, "", str(args[-1]))

        def source(*args: Any) -> TemplateRelation:
            recorder.sources.append(source_of(args))
            return TemplateRelation(catalog, args[0], args[1])

        return {"ref": ref, "source": source, "this": TemplateRelation(catalog, "", "test")}


def _short(value: Any) -> str:
    return hashlib.md5(repr(value).encode(), usedforsecurity=False).hexdigest()[:8]
