"""docs/python.md and docs/coming-from-dagster-lakehouse.md: their files, and what their commands print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$"
SESSIONS = r"^```console\n(.*?)^```$"


@pytest.mark.parametrize(("page", "count"), [("python", 4), ("coming-from-dagster-lakehouse", 7)])
def test_what_the_documentation_shows_is_what_happens(page: str, count: int, tmp_path: Path) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    for name, module in (("lakehouse", "-m lakehouse_cli"), ("python", "")):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        script.chmod(0o755)
    project = tmp_path / "project"
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "NO_COLOR": "1"}
    commands = 0
    for part in re.split(r"^## ", text, flags=re.MULTILINE):
        for name, text in re.findall(FILES, part, re.DOTALL | re.MULTILINE):
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text, "utf-8")
        for session in re.findall(SESSIONS, part, re.DOTALL | re.MULTILINE):
            for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session, re.MULTILINE):
                done = subprocess.run(["sh", "-c", command], cwd=project, env=env, capture_output=True, text=True)
                assert "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines()) == expected, done
                commands += 1
    assert commands == count
