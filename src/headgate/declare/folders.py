"""Which files the project and its packages consist of, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from headgate.declare import shapes
from headgate.declare.document import Entry, read
from headgate.declare.ignoring import ignored_in
from headgate.declare.keys import CONFIGURED, OLD_PATHS, PATH_DEFAULTS
from headgate.declare.mistakes import Mistakes
from headgate.declare.profiles import FILE, profile_file
from headgate.declare.quick import Stamp, stamps
from headgate.declare.settings import Settings
from headgate.spec.errors import Location


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file: `path` relative to the project's root, `inner` to the package's folder, `folders` below the kind's folder."""

    package: str
    path: str
    inner: str
    folders: tuple[str, ...]

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return PurePosixPath(self.path).stem


@dataclass(frozen=True, slots=True)
class Package:
    """The project itself or an installed package: its name, its folder ("" for the project), its folder-level configs."""

    name: str
    folder: str
    configs: Mapping[str, Entry]
    variables: Mapping[str, object]
    settings: Entry = field(default_factory=Entry)  # its dbt_project.yml; empty for the project itself


@dataclass(frozen=True, slots=True)
class Files:
    """All files by kind.

    "models" (SQL), "python", "properties", "seeds", "snapshots", "macros", "tests", "generic", "fixtures", "analyses", "docs".
    """

    packages: tuple[Package, ...]
    stamps: Mapping[str, Stamp]
    folders: tuple[str, ...]
    outside: tuple[str, ...]  # absolute paths of files that lie elsewhere, and may be missing
    by_kind: Mapping[str, tuple[SourceFile, ...]]

    def of(self, kind: str) -> tuple[SourceFile, ...]:
        """The files of one kind, the project's before the packages', by path."""
        return self.by_kind.get(kind, ())


# folder setting -> endings -> kind
_KINDS = (
    ("model-paths", {".sql": "models", ".py": "python", ".yml": "properties", ".yaml": "properties", ".md": "docs"}),
    ("source-paths", {".yml": "properties", ".yaml": "properties", ".md": "docs"}),
    ("seed-paths", {".csv": "seeds", ".yml": "properties", ".yaml": "properties", ".md": "docs"}),
    ("snapshot-paths", {".sql": "snapshots", ".yml": "properties", ".yaml": "properties", ".md": "docs"}),
    ("macro-paths", {".sql": "macros", ".yml": "properties", ".yaml": "properties", ".md": "docs"}),
    ("test-paths", {".sql": "tests", ".csv": "fixtures", ".yml": "properties", ".yaml": "properties", ".md": "docs"}),
    ("analysis-paths", {".sql": "analyses", ".yml": "properties", ".yaml": "properties", ".md": "docs"}),
    ("docs-paths", {".md": "docs"}),
)


def find_files(settings: Settings, mistakes: Mistakes) -> Files:
    """Look for all files. Folders that do not exist are empty."""
    install = settings.folders["packages-install-path"][0]
    folders = tuple(dict.fromkeys(p for k in settings.folders for p in settings.folders[k]))
    profile = str(profile_file(settings.root))
    outside = (profile,) if settings.dbt and profile != f"{settings.root}/{FILE}" else ()
    found = stamps(settings.root, _outermost(folders), outside)
    packages = [Package(settings.name, "", settings.configs, settings.variables)]
    by_kind: dict[str, list[SourceFile]] = {}
    ignored = ignored_in(Path(settings.root))
    own = [p for p in found if not p.startswith(install + "/") and not ignored(p)]
    _sort(settings.name, "", settings.folders, own, by_kind)
    installed = sorted(p for p in found if p.startswith(install + "/") and p.count("/") == install.count("/") + 2)
    for path in (p for p in installed if p.endswith("/dbt_project.yml")):
        folder = path.rpartition("/")[0]
        package, package_folders = _package(settings, path, folder, mistakes)
        if _twice(package, packages, path, mistakes):
            continue
        packages.append(package)
        ignored, start = ignored_in(Path(settings.root, folder)), len(folder) + 1
        inside = [p for p in found if p.startswith(folder + "/") and not ignored(p[start:])]
        _sort(package.name, folder + "/", package_folders, inside, by_kind)
    return Files(tuple(packages), found, _outermost(folders), outside, {kind: tuple(files) for kind, files in by_kind.items()})


def _twice(package: Package, packages: list[Package], path: str, mistakes: Mistakes) -> bool:
    """Whether a package of this name is there already; the second is left out, which is told."""
    first = next((p for p in packages if p.name == package.name), None)
    if first is not None:
        mistakes.add(
            "HG-D020",
            Location(path),
            f"package '{package.name}' is installed twice, also in {first.folder or 'the project itself'}",
            expected="one package of a name",
            todo=f"remove {package.folder}",
            severity="warning",
        )
    return first is not None


def _outermost(folders: tuple[str, ...]) -> tuple[str, ...]:
    """The folders that lie in no other one, so that none is walked twice."""
    return tuple(f for f in folders if not any(f != other and f.startswith(other + "/") for other in folders))


def _package(settings: Settings, path: str, folder: str, mistakes: Mistakes) -> tuple[Package, dict[str, tuple[str, ...]]]:
    text = read_text(settings.root, path, mistakes) or ""
    entry = read(text, path, mistakes) or Entry(path)
    name = shapes.required_name(entry, "the package", mistakes) or PurePosixPath(folder).name
    quiet = Mistakes()  # a package's own slips are its authors' to correct
    configs = {key: shapes.mapping(entry, key, quiet) for key in CONFIGURED}
    configs["tests"] = shapes.mapping(entry, "data_tests" if "data_tests" in entry else "tests", quiet)
    folders = {
        key: shapes.texts(entry, key, quiet) or shapes.texts(entry, OLD_PATHS.get(key, ""), quiet) or default
        for key, default in PATH_DEFAULTS.items()
    }
    if "source-paths" in entry and "model-paths" not in entry:
        folders["model-paths"], folders["source-paths"] = folders["source-paths"], ()
    return Package(name, folder, configs, shapes.plain(shapes.mapping(entry, "vars", quiet)), entry), folders


def _sort(
    package: str, prefix: str, folders: Mapping[str, tuple[str, ...]], paths: list[str], by_kind: dict[str, list[SourceFile]]
) -> None:
    """Put each path of a package under its kind; one path is read once, by the first folder setting that holds it."""
    taken: set[str] = set()
    for key, endings in _KINDS:
        for folder in folders.get(key, ()):
            start = f"{prefix}{folder}/"
            for path in paths:
                if not path.startswith(start) or path in taken:
                    continue
                kind = endings.get(PurePosixPath(path).suffix)
                if kind is None:
                    continue
                below = tuple(path[len(start) :].split("/")[:-1])
                if kind == "tests" and below[:1] in (("generic",), ("fixtures",)):
                    kind = below[0]
                taken.add(path)
                by_kind.setdefault(kind, []).append(SourceFile(package, path, path[len(prefix) :], below))


def read_text(root: str, path: str, mistakes: Mistakes) -> str | None:
    """The text of a file of the project; None, and a mistake, when it cannot be read as UTF-8."""
    try:
        return Path(root, path).read_text(encoding="utf-8-sig")
    except OSError as error:
        mistakes.add("HG-D002", Location(path), f"the file cannot be read: {error.strerror}", todo="check the file's rights")
    except UnicodeDecodeError as error:
        mistakes.add(
            "HG-D002",
            Location(path),
            f"byte {error.start + 1} is no UTF-8",
            expected="text in UTF-8",
            todo="save the file as UTF-8",
        )
    return None
