"""Python models: `def model(dbt, session)` returns a DuckDB relation, an Arrow table, a pandas or a Polars frame.

`session` is a cursor of the run's workspace; `dbt.ref` and `dbt.source` give DuckDB relations over what this run would read in
SQL.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
from types import ModuleType
from typing import Any

import duckdb

from headgate.spec.errors import DeclarationError, HeadgateError
from headgate.spec.names import quote_ident
from headgate.transform.context import Reader, Scene, TemplateConfig
from headgate.transform.job import Job


class _Source(importlib.abc.InspectLoader):
    """Loads a module from the text that the project was read with."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_source(self, fullname: str) -> str:
        return self._text

    def is_package(self, fullname: str) -> bool:
        return False


class DbtModel:
    """The `dbt` argument of a model function."""

    def __init__(self, job: Job, scene: Scene) -> None:
        self._reader, self._job, self._scene = Reader(scene, job.node), job, scene
        self.config = TemplateConfig(job.node)
        self.this = self._reader.this()

    @property
    def is_incremental(self) -> Any:
        """Whether there is a table to add to (called, as in dbt)."""
        return lambda: self._scene.incremental

    @property
    def run_started_at(self) -> str:
        """The run's moment, ISO 8601 in UTC."""
        return self._job.clock.run_started_at

    def ref(self, *names: str, **version: Any) -> Any:
        """A model's rows as a DuckDB relation."""
        return self._relation(str(self._reader.ref(*names, **version)))

    def source(self, source: str, table: str) -> Any:
        """A source table's rows as a DuckDB relation."""
        return self._relation(str(self._reader.source(source, table)))

    def _relation(self, sql: str) -> Any:
        session: Any = self._job.cursor
        for name, text in self._scene.inlined.found.values():
            if sql == quote_ident(name):
                return session.sql(text)
        return session.sql(f"SELECT * FROM {sql}")


def result_sql(job: Job, scene: Scene) -> str:
    """Run the model function and return a query over what it returned. Raises DeclarationError when the function fails."""
    node = job.node
    module = _module(job)
    function = getattr(module, "model", None)
    if not callable(function):
        raise job.mistake("it has no function 'model'", expected="def model(dbt, session): …", code="HG-T050")
    try:
        value = function(DbtModel(job, scene), job.cursor)
    except HeadgateError:
        raise
    except Exception as error:  # the user's code: any failure of it is a mistake of the project, and it is said whose
        raise job.mistake(f"its function failed: {type(error).__name__}: {error}", code="HG-T051") from error
    view = f"_hg_python_{abs(hash(node.unique_id))}"
    return f"SELECT * FROM {_readable(job, value, view)}"


def _module(job: Job) -> ModuleType:
    name = "headgate_model_" + "".join(c if c.isalnum() else "_" for c in job.node.unique_id)
    spec = importlib.util.spec_from_loader(name, _Source(job.node.raw_code), origin=job.node.path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's module: its import may fail in any way
        raise job.mistake(f"its file cannot be loaded: {type(error).__name__}: {error}", code="HG-T052") from error
    return module


def _readable(job: Job, value: Any, view: str) -> str:
    """An SQL relation over what the function returned."""
    if isinstance(value, duckdb.DuckDBPyRelation):
        value = value.to_arrow_table()
    elif type(value).__module__.partition(".")[0] == "polars":
        value = (value.collect() if hasattr(value, "collect") else value).to_arrow()
    elif not hasattr(value, "__arrow_c_stream__") and type(value).__module__.partition(".")[0] not in ("pandas", "pyarrow"):
        raise DeclarationError(
            f"{job.node.location}: {job.node.name} returned {type(value).__name__}",
            expected="a DuckDB relation, an Arrow table, a pandas or a Polars frame",
            code="HG-T053",
        )
    job.cursor.register(view, value)
    return quote_ident(view)
