"""A function of the project as a source: what it yields lands."""

from headgate.ports.source import Manifest, Option

MANIFEST = Manifest(
    name="python",
    summary="A Python function that yields dicts, Arrow tables or data frames",
    module="headgate.sources.python.source",
    options=(
        Option("function", "text", "path/to/file.py:name or module:name, within the project's folder", required=True),
        Option("arguments", "mapping", "keyword arguments for the function, beside the context"),
        Option("batch_rows", "number", "dicts that make one batch", default=50_000),
    ),
    capabilities=("incremental", "dead_letters"),
)
