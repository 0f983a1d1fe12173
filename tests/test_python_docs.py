"""docs/python.md: its files, and what its commands print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = (ROOT / "docs" / "python.md").read_text("utf-8")
PARTS = re.split(r"^## ", DOCS, flags=re.MULTILINE)
FILES = r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$"
SESSIONS = r"^```console\n(.*?)^```$"


def test_what_the_documentation_shows_is_what_happens(tmp_path: Path) -> None:
    for name, module in (("lakehouse", "-m lakehouse_cli"), ("python", "")):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        script.chmod(0o755)
    project = tmp_path / "project"
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "NO_COLOR": "1"}
    commands = 0
    for part in PARTS:
        for name, text in re.findall(FILES, part, re.DOTALL | re.MULTILINE):
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text, "utf-8")
        for session in re.findall(SESSIONS, part, re.DOTALL | re.MULTILINE):
            for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session, re.MULTILINE):
                done = subprocess.run(["sh", "-c", command], cwd=project, env=env, capture_output=True, text=True)
                assert "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines()) == expected, done
                commands += 1
    assert commands == 4
