"""Check `not_null`: the column holds a value in every row (dbt's generic test)."""

from headgate.ports.source import Manifest

MANIFEST = Manifest("not_null", "no row has NULL in the column", "headgate.checks.not_null.check", capabilities=("column",))
