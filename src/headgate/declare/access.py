"""Who may read a model: groups, `access:`, and packages that restrict access, by dbt's rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headgate.declare import keys, shapes
from headgate.declare.drafts import Draft
from headgate.declare.linking import Links
from headgate.declare.mistakes import nearest
from headgate.declare.reading import Reading
from headgate.spec.declared import Resource
from headgate.spec.errors import Location


def check_access(drafts: Iterable[Draft], links: Links, resources: Mapping[str, Resource], reading: Reading) -> None:
    """Every group exists, every access is a known word, and nobody refers to a model that is private to another group."""
    groups = {r.name for r in resources.values() if r.resource_type == "group"}
    for draft in drafts:
        who = f"{draft.resource_type} '{draft.name}'"
        group = draft.value("group")
        if group is not None and group not in groups:
            near = nearest(str(group), groups)
            reading.mistakes.add(
                "HG-D022",
                draft.config.places.get("group", draft.location),
                f"{who} is of group '{group}', which does not exist",
                expected="" if near else "one of " + ", ".join(sorted(groups)) if groups else "a group declared under 'groups:'",
                suggestion=near,
            )
        access = draft.value("access")
        if access is not None:
            shapes.one_of(access, keys.ACCESS, "access", draft.config.places.get("access", draft.location), reading.mistakes)
        for ref in draft.refs:
            target = links.node(ref, draft.package)
            if target is not None and target.enabled:
                check_reader(who, draft.package, group, target, draft.ref_place(ref), reading)
                _tell_deprecated(who, target, draft.ref_place(ref), reading)


def check_reader(who: str, package: str, group: object, target: Draft, place: Location, reading: Reading) -> None:
    """One reference of `who`, which is of `package` and `group` (None: of no group)."""
    if target.resource_type != "model":
        return
    access = target.value("access", "protected")
    restricted = target.package != package and restricts(target.package, reading)
    if access == "private" and (not group or group != target.value("group") or restricted):
        owner = f"group '{target.value('group')}'" if target.value("group") else "its group"
        reading.mistakes.add(
            "HG-D035",
            place,
            f"{who} refers to model '{target.name}', which is private to {owner}",
            expected="a model that is protected or public, or a reader of the same group",
            todo=f"add {who} to the group, or widen the access of '{target.name}'",
        )
    elif access == "protected" and restricted:
        reading.mistakes.add(
            "HG-D035",
            place,
            f"{who} refers to model '{target.name}', which is protected in package '{target.package}'",
            expected="a public model of that package",
        )


def _tell_deprecated(who: str, target: Draft, place: Location, reading: Reading) -> None:
    """A word to whom reads a model that has an end."""
    day = target.value("deprecation_date")
    if day is None:
        return
    latest = target.value("latest_version")
    version = f" version {target.version}" if target.version else ""
    reading.mistakes.add(
        "HG-D036",
        place,
        f"{who} refers to model '{target.name}'{version}, which is deprecated from {str(day)[:10]}",
        expected=f"version {latest}" if target.version and str(latest) != target.version else "",
        severity="notice",
    )


def restricts(package: str, reading: Reading) -> bool:
    """Whether a package sets `restrict-access: true`."""
    return any(p.name == package and p.settings.get("restrict-access") is True for p in reading.files.packages)
