"""A process that lands the files of a project's folder once: `lander.py ROOT`. Prints the status."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from land.ground import Ground

if __name__ == "__main__":
    ground = Ground(Path(sys.argv[1]))
    print(ground.land().status)
    ground.close()
