"""What `make bench` measures runs still."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_runs_on_simulated_workers_end() -> None:
    for units in ("tables", "partitions"):
        command = [sys.executable, "-m", "benchmarks.simulation", "30", "3", "0.001", units]
        done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["calls"] >= 3
