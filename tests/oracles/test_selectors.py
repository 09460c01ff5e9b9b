"""Selectors with graph operators, against a graph that is walked by hand over what the files say."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from company_world import write_company
from headgate.declare import load, select
from headgate.spec.errors import UsageError
from headgate.spec.project import Project

EXAMPLES = int(os.environ.get("HEADGATE_EXAMPLES", "4")) * 100


class Graph:
    """The project by its files: who reads whom, and what each method of selection names."""

    def __init__(self, root: Path) -> None:
        files = {
            p.stem: p
            for folder in ("models", "seeds", "snapshots")
            for p in (root / folder).rglob("*.*")
            if p.suffix in (".sql", ".csv")
        }
        files["customers_history"] = files.pop("customers")
        self.parents = {name: set(re.findall(r"ref\('(\w+)'\)", path.read_text())) for name, path in files.items()}
        self.parents["board"] = {"fct_orders"}
        at = {name: path.relative_to(root).as_posix() for name, path in files.items()}
        in_folder = {
            f: {n for n, path in at.items() if path.startswith(f + "/")}
            for f in ("models", "models/marts", "models/staging", "seeds")
        }
        for folder in ("models", "models/staging"):
            in_folder[folder].add("board")  # declared in a file there
        finance = in_folder["models/marts"] & {n for n, path in at.items() if "/finance/" in path}
        ephemeral = {n for n, path in at.items() if "/intermediate/" in path}
        self.named = {
            **{name: {name} for name in files},
            **{f"path:{folder}": names for folder, names in in_folder.items()},
            "tag:nightly": in_folder["models/marts"],
            "tag:finance": finance,
            "tag:orders": {"stg_orders"},
            "stg_*": {n for n in files if n.startswith("stg_")},
            "staging": in_folder["models/staging"],
            "marts.finance": finance,
            "package:company": {*self.parents},
            "resource_type:seed": in_folder["seeds"],
            "resource_type:snapshot": {"customers_history"},
            "exposure:board": {"board"},
            "config.materialized:ephemeral": ephemeral,
            "config.materialized:table": in_folder["models/marts"],
        }

    def above(self, name: str, steps: int = 99) -> set[str]:
        """What `name` is made from, at most so many steps away, and itself."""
        return {name} | {up for p in self.parents[name] if steps for up in self.above(p, steps - 1)}

    def below(self, name: str, steps: int = 99) -> set[str]:
        """What is made from `name`, and itself."""
        return {name} | {down for n, ps in self.parents.items() if name in ps and steps for down in self.below(n, steps - 1)}

    def atom(self, method: str, before: str, after: str) -> set[str]:
        """What one selector with its operators means."""
        found = set(self.named[method])
        for name in self.named[method]:
            if before == "@":
                found |= {up for down in self.below(name) for up in self.above(down)}
            elif before:
                found |= self.above(name, int(before[:-1] or 99))
            if after:
                found |= self.below(name, int(after[1:] or 99))
        return found


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Graph]:
    root = write_company(tmp_path_factory.mktemp("company"))
    return load(str(root), use_cache=False).project, Graph(root)


ATOM = st.tuples(st.integers(0, 99), st.sampled_from(["", "", "+", "1+", "2+", "@"]), st.sampled_from(["", "", "+", "+1", "+2"]))
WORDS = st.lists(st.lists(ATOM, min_size=1, max_size=3), min_size=1, max_size=3)  # a union of intersections


def meant(graph: Graph, words: list[list[tuple[int, str, str]]]) -> tuple[str, list[set[str]]]:
    """The text of a selection, and what each word of it means."""
    methods, texts, found = list(graph.named), [], []
    for word in words:
        atoms = [(methods[i % len(methods)], before, "" if before == "@" else after) for i, before, after in word]
        texts.append(",".join(f"{before}{method}{after}" for method, before, after in atoms))
        found.append(set.intersection(*(graph.atom(*atom) for atom in atoms)))
    return " ".join(texts), found


@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(chosen=WORDS, left_out=st.one_of(st.just([]), WORDS))
def test_a_selection_is_what_the_graph_says(company: tuple[Project, Graph], chosen: list, left_out: list) -> None:  # type: ignore[type-arg]
    project, graph = company
    text, expected = meant(graph, chosen)
    without, gone = meant(graph, left_out)
    exclude = (without,) if without else ()
    if not all((*expected, *gone)):
        with pytest.raises(UsageError, match="matches nothing"):
            select(project, (text,), exclude=exclude)
        return
    left = set.union(*expected) - set().union(*gone)
    ids = select(project, (text,), exclude=exclude)
    assert {uid.rpartition(".")[2] for uid in ids} == left, (text, without)
    assert len(ids) == len(left)
