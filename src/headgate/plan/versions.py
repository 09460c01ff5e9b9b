"""Versions of inputs: what a dataset was made from, whether that still holds, and what a new version shares with an old one.

A table's version is that of its newest publication. A view's *effective* version also covers what it reads, because a view
changes when they do. What a publication records of its inputs has these keys:

    "<dataset>"     the version of it that was read
    "~<dataset>"    the effective version of it, where that is another (it is a view)
    "=<dataset>"    of the dataset itself: earlier versions that this one equals but for some columns, as JSON
                    `[[version, column…], …]`: so that a reader of other columns is not rebuilt, in this run or in any later one
    "check:…"       what the gate has proven; nothing to do with versions
    "compared:"     of a publication that built some intervals and looked at no others: the inputs as they were when all intervals were
                    compared with them last, as JSON; newer ones are news for the other intervals still
    "seen:"         of an interval: a print of the input rows that it was built from; nothing to do with versions either
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from headgate.plan.intervals import SEEN
from headgate.plan.touch import ALL, NOTHING, Touch
from headgate.plan.wiring import Wiring
from headgate.spec.project import Project
from headgate.spec.recorded import Recorded, RecordedDataset
from headgate.spec.steps import Plan, Step

COMPARED = "compared:"
_ASIDE = ("~", "=", "check:", COMPARED, SEEN)
SAME_AS_MAX = 8  # earlier versions remembered as nearly equal; a reader that is older than that is rebuilt


def effective_versions(recorded: Recorded, external: Mapping[str, str] | None = None) -> dict[str, str]:
    """The effective version of every recorded dataset, by name; `external` adds those of tables that others fill."""
    found: dict[str, str] = dict(external or {})

    def version(name: str) -> str:
        entry = recorded.datasets.get(name)
        if entry is None or entry.version is None:
            return found.get(name, "")
        if name not in found:
            found[name] = entry.version  # also what a view gets that reads itself in a circle, by an old publication
            if entry.kind == "view":
                inputs = [version(read) for read in read_by(entry)]
                found[name] = hashlib.blake2b("\n".join((entry.version, *inputs)).encode(), digest_size=16).hexdigest()
        return found[name]

    for name in recorded.datasets:
        version(name)
    return found


def read_by(recorded: RecordedDataset) -> list[str]:
    """The datasets that the published version of a dataset was made from (for a view: that it reads)."""
    return [name for name in recorded.inputs if not name.startswith(_ASIDE)]


def recorded_inputs(
    project: Project, recorded: Recorded, step: Step, plan: Plan, external: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What `Staged.inputs` of a step to build must hold.

    `publish` replaces the versions of those that the same run publishes with their new ones. The "=" entry is left out unless the
    lake stands where the plan saw it.
    """
    wiring, effective = _surroundings(project, recorded)
    out: dict[str, str] = {}
    for name in (wiring.dataset(parent) for parent in wiring.parents.get(step.unique_id, ())):
        entry = recorded.datasets.get(name)
        version = entry.version if entry is not None else None
        out[name] = version or (external or {}).get(name, "")
        if version is not None and effective[name] != version:
            out[f"~{name}"] = effective[name]
    if step.same_as and recorded.snapshot == plan.snapshot:
        out[f"={step.dataset}"] = json.dumps([[version, *columns] for version, columns in step.same_as.items()])
    return out


_last: tuple[Project, Recorded, Wiring, dict[str, str]] | None = None


def _surroundings(project: Project, recorded: Recorded) -> tuple[Wiring, dict[str, str]]:
    """Wiring and effective versions, kept for the next step of the same run: hundreds of steps ask for the same."""
    global _last
    known = _last
    if known is None or known[0] is not project or known[1] is not recorded:
        known = (project, recorded, Wiring(project), effective_versions(recorded))
        _last = known
    return known[2], known[3]


def for_some_intervals(inputs: Mapping[str, str], recorded: RecordedDataset | None) -> dict[str, str]:
    """`inputs` of a publication that builds the intervals it was asked for and compares no others with what they read."""
    if recorded is None or recorded.version is None:
        return dict(inputs)  # whatever else there is to build is missing, and so not forgotten
    known = as_compared(recorded).inputs
    return {**inputs, COMPARED: json.dumps({k: v for k, v in known.items() if not k.startswith(_ASIDE[1:])})}


def as_compared(recorded: RecordedDataset) -> RecordedDataset:
    """`recorded` with the inputs that all of it was compared with last."""
    text = recorded.inputs.get(COMPARED)
    return recorded if text is None else replace(recorded, inputs=json.loads(text), run_id="")


def same_as(recorded: RecordedDataset, effective: str, touch: Touch) -> dict[str, tuple[str, ...]]:
    """To which earlier versions the next version is equal, but for which columns, when `touch` is all that changes."""
    if touch.everything or recorded.version is None:
        return {}
    out = {recorded.version: _marked(touch), effective: _marked(touch)}
    for version, earlier in earlier_versions(recorded).items():
        if len(out) < SAME_AS_MAX and not earlier.everything:
            out.setdefault(version, _marked(earlier | touch))
    return out


def unchanged(inputs: Mapping[str, str], recorded: RecordedDataset) -> dict[str, str]:
    """`inputs` of a publication that leaves the dataset exactly as `recorded` has it (a delta that wrote and deleted no row).

    Readers of the recorded version are up to date with the new one then, and the next plan leaves them alone.
    """
    shared = [[version, *columns] for version, columns in same_as(recorded, recorded.version or "", NOTHING).items()]
    return {**inputs, f"={recorded.dataset}": json.dumps(shared)}


def earlier_versions(recorded: RecordedDataset) -> dict[str, Touch]:
    """Earlier versions of a dataset that its present one equals, each with what differs."""
    text = recorded.inputs.get(f"={recorded.dataset}")
    return {version: _unmarked(columns) for version, *columns in json.loads(text)} if text else {}


def difference(reader: RecordedDataset, parent: RecordedDataset, effective: str, drift: Touch = NOTHING) -> Touch:
    """What has changed about `parent` since the recorded `reader` was made from it.

    `effective` is the parent's effective version; `drift` what changed behind a view since that was published.
    """
    read = reader.inputs.get(parent.dataset)
    if effective in (read, reader.inputs.get(f"~{parent.dataset}")):
        return NOTHING
    if read == parent.version or (reader.run_id and reader.run_id == parent.run_id):
        return drift  # the same publication, or one run that made both, the parent first
    if read is None and parent.published_at <= reader.published_at:
        return drift  # it was not read then (a branch of the template not taken), and did not change since
    return earlier_versions(parent).get(read or "", ALL) | drift


def _marked(touch: Touch) -> tuple[str, ...]:
    """Columns with what happened to them in the first letter: ~ changed, - removed, + added."""
    marks = (("~", touch.changed), ("-", touch.removed), ("+", touch.added))
    return tuple(mark + name for mark, names in marks for name in sorted(names))


def _unmarked(columns: list[str]) -> Touch:
    kinds: dict[str, set[str]] = {"~": set(), "-": set(), "+": set()}
    for column in columns:
        kinds[column[0]].add(column[1:])
    return Touch(False, frozenset(kinds["~"]), frozenset(kinds["-"]), frozenset(kinds["+"]))
