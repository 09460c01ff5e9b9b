"""Check `unique`: no value of the column stands in two rows; NULLs are ignored (dbt's generic test)."""

from headgate.ports.source import Manifest

MANIFEST = Manifest("unique", "no two rows share a value of the column", "headgate.checks.unique.check", capabilities=("column",))
