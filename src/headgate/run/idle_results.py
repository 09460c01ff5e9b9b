"""`run_results.json` of a run that has nothing to do: the last complete run leaves it ready, so that it costs no engine and no parser."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

READY = ".headgate/cache/idle_results.json"


def make_ready(root: str, target: Path, results: Mapping[str, Any]) -> None:
    """Keep the results in which everything is up to date, for `leave`. `target` is the folder for artifacts. Raises OSError."""
    path = Path(root, READY)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, {"target": str(target), "results": results})


def leave(root: Path, run_id: str) -> None:
    """Write the results that were kept as those of run `run_id`, which ends now. Where none are kept, or the folder cannot be written, nothing."""
    try:
        kept = json.loads((root / READY).read_bytes())
        results = kept["results"]
    except (OSError, ValueError, KeyError):
        return
    from headgate.spec.clock import now_iso

    now = now_iso() + "Z"
    results["metadata"] |= {"generated_at": now, "invocation_id": run_id, "invocation_started_at": now}
    with suppress(OSError):
        _write(Path(kept["target"], "run_results.json"), results)


def _write(path: Path, value: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(value), encoding="utf-8")
    fresh.replace(path)
