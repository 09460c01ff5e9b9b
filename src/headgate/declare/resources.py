"""What is declared beside tables: groups, metrics, semantic models, saved queries, analyses, docs blocks, macros' properties.

They are kept as written, with what they depend on, for artifacts, selectors and `graph`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from headgate.declare import keys, shapes
from headgate.declare.checks import CheckReader
from headgate.declare.configs import FolderConfigs, evaluated
from headgate.declare.context import Recorder
from headgate.declare.document import Entry
from headgate.declare.drafts import Draft
from headgate.declare.folders import SourceFile, read_text
from headgate.declare.linking import Links, resolve_ref, resolve_source
from headgate.declare.properties import Declared, Properties, severity_for, tags_of
from headgate.declare.reading import Reading
from headgate.declare.sandbox import TemplateFailed, render
from headgate.spec.declared import Resource
from headgate.spec.errors import Location

_METRIC = re.compile(r"\bmetric\(\s*['\"](\w+)['\"]\s*\)")


def fqn_of(file: SourceFile, *names: str) -> tuple[str, ...]:
    """dbt's fully qualified name of something in a property file: package, folders, name."""
    return (file.package, *file.folders, *names)


def entry_config(entry: Entry, declared: Declared, kind: str, reading: Reading) -> dict[str, Any]:
    """The config of an entry: folder configs of the package and of the project under its own `config:`."""
    found: dict[str, Any] = {}
    settings = reading.settings
    fqn = fqn_of(declared.file, str(entry.get("name")))
    for package in dict.fromkeys((declared.package, settings.name)):
        tree = next((p.configs.get(kind) for p in reading.files.packages if p.name == package), None)
        if tree:
            rules = FolderConfigs(tree, package, keys.RESOURCE_CONFIG, partial(reading.evaluate_setting, package))
            said = rules.of(fqn, own=package == declared.package).values
            found.update(
                said,
                meta={**found.get("meta", {}), **(said.get("meta") or {})},
                tags=[*found.get("tags", []), *_texts(said.get("tags"))],
            )
    inner = shapes.mapping(entry, "config", reading.mistakes)
    evaluate = partial(reading.evaluate_in, declared.package)
    for key, value in inner.items():
        said_here = evaluated(value, inner.value_at(key), evaluate)
        if key == "meta" and isinstance(said_here, dict):
            said_here = {**found.get("meta", {}), **said_here}
        found[key] = [*found.get("tags", []), *_texts(said_here)] if key == "tags" else said_here
    for key in ("tags", "meta"):
        if not found.get(key):
            found.pop(key, None)
    return found


def _texts(value: Any) -> list[str]:
    return list(tags_of(value))


def read_groups(properties: Properties, reading: Reading) -> dict[str, Resource]:
    """The groups."""
    return {r.unique_id: r for d in properties.of("groups") for r in _kept(d, "group", reading)}


def read_docs(properties: Properties) -> dict[str, Resource]:
    """The docs blocks."""
    return {
        f"doc.{d.package}.{d.name}": Resource(
            f"doc.{d.package}.{d.name}",
            "doc",
            d.name,
            d.package,
            Location(d.file.path, d.line),
            path=d.file.inner,
            raw_code=d.text,
        )
        for d in properties.docs.values()
    }


def _kept(declared: Declared, kind: str, reading: Reading, depends_on: tuple[str, ...] = ()) -> Iterator[Resource]:
    """An entry as it is written; none for one without a name or that is switched off."""
    entry, m = declared.entry, reading.mistakes
    name = shapes.required_name(entry, f"a {kind.replace('_', ' ')}", m, identifier=not reading.settings.dbt)
    if name is None:
        return
    severity = severity_for(declared.package, reading.settings.name, reading.settings.dbt)
    shapes.known_keys(entry, keys.RESOURCE_KEYS[kind], f"{kind.replace('_', ' ')} '{name}'", m, severity=severity)
    config = entry_config(entry, declared, keys.FOLDER_KIND.get(kind, ""), reading)
    if config.get("enabled") is False:
        return
    yield Resource(
        unique_id=f"{kind}.{declared.package}.{name}",
        resource_type=kind,
        name=name,
        package=declared.package,
        location=entry.at("name"),
        path=declared.file.inner,
        fqn=fqn_of(declared.file, name),
        depends_on=depends_on,
        said=shapes.plain(entry),
        config=config,
        tags=tags_of(entry.get("tags"), config.get("tags")),
        meta={**_mapping(entry.get("meta")), **_mapping(config.get("meta"))},
        description=str(entry.get("description") or ""),
    )


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


class ResourceReader:
    """Reads everything that refers to nodes."""

    def __init__(self, properties: Properties, links: Links, checks: CheckReader, reading: Reading) -> None:
        self.properties, self.links, self.checks, self.reading = properties, links, checks, reading
        self.found: dict[str, Resource] = {}
        self._metrics: dict[str, str] = {}  # metric or measure -> unique id

    def read(self) -> dict[str, Resource]:
        """All of them, by unique id."""
        for file in self.reading.files.of("analyses"):
            self._analysis(file)
        for declared in self.properties.of("macros"):
            self._keep("macro", declared, ())
        for declared in self.properties.of("functions"):
            self._keep("function", declared, ())
        for declared in self.properties.of("semantic_models"):
            self._semantic_model(declared)
        self._read_metrics()
        for declared in self.properties.of("saved_queries"):
            params = declared.entry.get("query_params")
            named = params.get("metrics") if isinstance(params, Entry) else None
            self._keep("saved_query", declared, self._metric_ids(_texts(named)))
        return self.found

    def _keep(self, kind: str, declared: Declared, depends_on: tuple[str, ...]) -> None:
        for resource in _kept(declared, kind, self.reading, depends_on):
            first = self.found.setdefault(resource.unique_id, resource)
            if first is not resource and kind != "macro":
                what = f"{kind.replace('_', ' ')} '{resource.name}' is declared twice (first at {first.location})"
                self.reading.mistakes.add("HG-D020", resource.location, what, expected="one declaration")

    def _semantic_model(self, declared: Declared) -> None:
        entry, m = declared.entry, self.reading.mistakes
        model = entry.get("model")
        who = f"semantic model '{entry.get('name')}'"
        found = self.checks.reference(str(model), declared.package, entry.value_at("model"), who) if model else None
        if model is None:
            m.add("HG-D014", entry.at("name"), f"{who} has no 'model'", expected="model: ref('a_model')")
        self._keep("semantic_model", declared, (found,) if found else ())
        unique_id = f"semantic_model.{declared.package}.{entry.get('name')}"
        for measure in shapes.entries(entry, "measures", m):
            name = str(measure.get("name"))
            self._metrics.setdefault(f"measure:{name}", unique_id)
            if measure.get("create_metric") is True and unique_id in self.found:
                self._metric_of(measure, name, declared, unique_id)

    def _metric_of(self, measure: Entry, name: str, declared: Declared, semantic_model: str) -> None:
        """The metric that `create_metric` of a measure asks for."""
        said = {"name": name, "label": measure.get("label") or name, "type": "simple", "type_params": {"measure": name}}
        unique_id = f"metric.{declared.package}.{name}"
        self.found[unique_id] = Resource(
            unique_id, "metric", name, declared.package, measure.at("name"), declared.file.inner,
            fqn_of(declared.file, name), (semantic_model,), said, description=str(measure.get("description") or ""),
        )  # fmt: skip
        self._metrics[name] = unique_id

    def _read_metrics(self) -> None:
        listed = self.properties.of("metrics")
        self._metrics |= {str(d.entry.get("name")): f"metric.{d.package}.{d.entry.get('name')}" for d in listed}
        for declared in listed:
            params = declared.entry.get("type_params")
            measures, metrics = inputs_of(shapes.plain(params) if isinstance(params, Entry) else {})
            found = [self._metrics[f"measure:{m}"] for m in measures if f"measure:{m}" in self._metrics]
            self._keep("metric", declared, tuple(dict.fromkeys((*found, *self._metric_ids(metrics)))))

    def _metric_ids(self, names: list[str]) -> tuple[str, ...]:
        return tuple(self._metrics[n] for n in names if n in self._metrics)

    def metric(self, text: str) -> str | None:
        """The unique id that `metric('name')` means; None for any other text."""
        match = _METRIC.search(text)
        return self._metrics.get(match[1]) if match else None

    def _analysis(self, file: SourceFile) -> None:
        """A query that is compiled and never built; what it refers to must exist."""
        reading = self.reading
        text = read_text(reading.settings.root, file.path, reading.mistakes)
        if text is None:
            return
        draft, recorder, who = Draft("analysis", file.stem, file, "sql", text), Recorder(), f"analysis '{file.stem}'"
        try:
            names = reading.names(file.package, recorder, {}, **self.checks.recording(recorder), model={"name": file.stem})
            render(reading.template(text, file.path), names, file.path)
        except TemplateFailed as error:
            reading.fail(error)
            return
        m, depends = reading.mistakes, []
        for ref in dict.fromkeys(recorder.refs):
            node = resolve_ref(ref, file.package, self.links, partial(draft.ref_place, ref), who, m)
            depends += [node.unique_id] if node else []
        for key in dict.fromkeys(recorder.sources):
            table = resolve_source(key, self.links, partial(draft.source_place, key), who, m)
            depends += [table.unique_id] if table else []
        described = next(
            (d for d in self.properties.of("analyses") if (d.package, d.entry.get("name")) == (file.package, file.stem)), None
        )
        entry = described.entry if described else Entry(file.path)
        config = {**(entry_config(entry, described, "", reading) if described else {}), **recorder.config}
        if config.get("enabled") is False:
            return
        unique_id = f"analysis.{file.package}.{file.stem}"
        self.found[unique_id] = Resource(
            unique_id, "analysis", file.stem, file.package, Location(file.path), file.inner,
            (file.package, "analysis", *file.folders, file.stem), tuple(depends), shapes.plain(entry), config,
            tags_of(entry.get("tags"), config.get("tags")), _mapping(config.get("meta")), str(entry.get("description") or ""), text,
        )  # fmt: skip


def inputs_of(params: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The names of the measures and of the metrics that a metric's `type_params` name, in their several spellings."""
    measures: list[str] = []
    metrics: list[str] = []
    for key in ("measure", "numerator", "denominator", "expr_metric", "metric"):
        name = _name(params.get(key))
        if name:
            (measures if key == "measure" else metrics).append(name)
    metrics += [name for item in params.get("metrics") or () if (name := _name(item))]
    conversion = params.get("conversion_type_params")
    if isinstance(conversion, Mapping):
        measures += [name for key in ("base_measure", "conversion_measure") if (name := _name(conversion.get(key)))]
        metrics += [name for key in ("base_metric", "conversion_metric") if (name := _name(conversion.get(key)))]
    cumulative = params.get("cumulative_type_params")
    if isinstance(cumulative, Mapping) and (name := _name(cumulative.get("metric"))):
        metrics.append(name)
    return measures, metrics


def _name(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("name")
    return value if isinstance(value, str) else None
