"""The control tables: runs, events, verdicts, leases, breakers, and the mirror of the lake's ledger.

`opening.open_state` is the way in; `quick` answers a run with nothing to do without any heavy import.
"""
