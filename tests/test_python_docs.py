"""Documentation pages that are run, docs/python.md among them: their files, and what their commands print."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import TABLE
from tests.conftest import ProjectFolder

ROOT = Path(__file__).parent.parent
FILES = r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$"
SESSIONS = r"^```console\n(.*?)^```$"


@pytest.mark.parametrize(
    ("page", "count"),
    [
        ("python", 4),
        ("coming-from-dagster-lakehouse", 7),
        ("coming-from-pandas", 5),
        ("coming-from-dbt", 3),
        ("coming-from-kedro", 3),
        pytest.param("coming-from-dagster", 1, marks=pytest.mark.slow),
        pytest.param("orchestrators", 10, marks=pytest.mark.slow),
    ],
)
def test_what_the_documentation_shows_is_what_happens(page: str, count: int, tmp_path: Path) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    if of_dagster := "$ dagster" in text or "from dagster" in text:
        pytest.importorskip("dagster")
    # Of Dagster, warnings are its own business.
    python = "-W ignore" if of_dagster else ""
    for name, module in (("lakehouse", "-m lakehouse_cli"), ("python", python), ("dagster", "-W ignore -m dagster")):
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


@pytest.mark.slow
def test_steps_of_orchestrators_end_with_the_code_of_the_run(folder: ProjectFolder) -> None:
    text = (ROOT / "docs/orchestrators.md").read_text("utf-8")
    commands = re.findall(r'(?:bash_command=|commands=\[)"(.*?)"', text)
    commands += re.findall(r"^15 \* \* \* \*  cd /srv/shop && (.*)$", text, re.MULTILINE)
    assert len(commands) == 4
    for code in re.findall(r"^```python\n(from (?:airflow|prefect).*?)^```$", text, re.DOTALL | re.MULTILINE):
        compile(code, "example", "exec")
    script = folder.write("bin/lakehouse", f'#!/bin/sh\nexec {sys.executable} -m lakehouse_cli "$@"\n')
    script.chmod(0o755)
    folder.write("bin/python", f'#!/bin/sh\nexec {sys.executable} "$@"\n').chmod(0o755)
    env = {**os.environ, "PATH": f"{script.parent}:{os.environ['PATH']}"}
    code = f"import pyarrow as pa\n\ndef one() -> pa.Table:\n    return {TABLE}\n"
    for column, expected in (("a", 0), ("b", 1), ("int46", 3)):
        folder.declare(f"{{one: {{inputs: [], columns: {{{column}: {'int64' if expected < 3 else column}}}}}}}", code)
        for command in commands if expected == 1 else commands[:1]:
            # Airflow has both in one stream, and keeps its last line.
            done = subprocess.run(["bash", "-c", command], env=env, stdout=-1, stderr=subprocess.STDOUT, text=True)
            assert done.returncode == expected, done
            if "json" in command:
                document = json.loads(done.stdout.splitlines()[-1])
                assert document.get("status") == {0: "success", 1: "failed", 3: None}[expected]
