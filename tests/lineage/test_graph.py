"""Graphs over node ids."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.lineage.graph import Graph
from headgate.spec.errors import DeclarationError

DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d"]}
EDGES = st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"), max_size=4), max_size=8)


def test_order_and_reach() -> None:
    graph = Graph(DIAMOND)
    assert graph.order() == ("a", "b", "c", "d", "e")
    assert graph.ancestors("d") == ("b", "c", "a")
    assert graph.ancestors("e", 1) == ("d",)
    assert graph.descendants("a") == ("b", "c", "d", "e")
    assert graph.descendants("a", 1) == ("b", "c")
    assert graph.descendants("a", 0) == ()
    assert graph.cycle() is None


def test_a_parent_without_an_entry_is_a_node() -> None:
    graph = Graph({"m": ["raw.events"]})
    assert graph.nodes == ("m", "raw.events")
    assert graph.order() == ("raw.events", "m")


def test_a_cycle_is_told_with_its_path() -> None:
    graph = Graph({"x": [], "a": ["x", "b"], "b": ["c"], "c": ["a"], "y": ["a"]})
    assert graph.cycle() == ["a", "b", "c", "a"]
    with pytest.raises(DeclarationError, match="a reads b reads c reads a"):
        graph.order()


def test_a_node_that_reads_itself_is_a_cycle() -> None:
    assert Graph({"a": ["a"]}).cycle() == ["a", "a"]


def test_an_unknown_node_is_an_error() -> None:
    with pytest.raises(KeyError):
        Graph(DIAMOND).ancestors("nobody")


def test_a_chain_of_many_thousand_needs_no_recursion() -> None:
    graph = Graph({str(i): [str(i - 1)] if i else [] for i in range(20_000)})
    assert graph.order()[-1] == "19999"
    assert graph.cycle() is None


@given(EDGES)
def test_order_puts_parents_first_or_a_cycle_is_real(edges: dict[str, list[str]]) -> None:
    graph = Graph(edges)
    cycle = graph.cycle()
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert all(after in graph.parents(before) for before, after in pairwise(cycle))
        with pytest.raises(DeclarationError):
            graph.order()
        return
    place = {node: i for i, node in enumerate(graph.order())}
    assert set(place) == set(graph.nodes)
    assert all(place[parent] < place[node] for node in graph.nodes for parent in graph.parents(node))


@given(EDGES)
def test_ancestors_and_descendants_mirror_each_other(edges: dict[str, list[str]]) -> None:
    graph = Graph(edges)
    for node in graph.nodes:
        for other in graph.ancestors(node):
            assert node in graph.descendants(other)


def test_neither_graph_nor_a_stored_project_needs_an_sql_library() -> None:
    code = (
        "import sys; import headgate.lineage.graph, headgate.lineage.project;"
        "sys.exit(bool({'sqlglot', 'duckdb'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode == 0
