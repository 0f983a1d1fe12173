"""What transforms print goes beside the results, in whole lines, whatever computes them."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from lakehouse_cli.printing import PrintedLines
from tests.cli.running import COMMAND
from tests.conftest import Invoked, ProjectFolder

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
EXECUTORS = ["threads", "serial", "processes"]


@pytest.fixture
def printing(project: ProjectFolder) -> ProjectFolder:
    """A project whose transforms print, the first of them without a newline at the end."""
    text = project.read("transforms.py").replace(
        "    return orders", '    print("one\\ntwo", end="")\n    return orders'
    )
    text = text.replace("    return totals", '    print("three", file=sys.stderr)\n    return totals')
    project.write("transforms.py", text.replace("import pandas as pd", "import sys\nimport pandas as pd"))
    return project


def run(folder: ProjectFolder, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, "run", *argv], cwd=folder.path, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_stdout_has_results_and_nothing_else(printing: ProjectFolder, executor: str) -> None:
    done = run(printing, "--executor", executor)
    assert done.returncode == 0
    assert done.stderr == "one\ntwo\nthree\n"
    lines = done.stdout.splitlines()
    assert [line[:8] for line in lines[2:5]] == ["  table ", "✓ totals", "✓ best  "]
    assert json.loads(run(printing, "-f", "-o", "json", "--executor", executor).stdout)["status"] == "success"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_line_without_end_does_not_run_into_ours(printing: ProjectFolder, executor: str) -> None:
    command = [*COMMAND, "run", "--executor", executor]
    done = subprocess.run(command, cwd=printing.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = done.stdout.splitlines()
    assert lines[lines.index("two") + 1 :][0].startswith(("✓ totals", ""))
    assert {"one", "two", "three"} <= set(lines)


def test_what_programs_write_that_a_transform_starts_is_no_result_either(project: ProjectFolder) -> None:
    text = project.read("transforms.py").replace("    return orders", '    os.system("echo shell")\n    return orders')
    project.write("transforms.py", text.replace("import pandas as pd", "import os\nimport pandas as pd"))
    done = run(project)
    assert "shell" not in done.stdout
    assert done.stderr == "shell\n"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_printed_lines_are_json_where_stderr_is(printing: ProjectFolder, executor: str) -> None:
    done = run(printing, "--log-format", "json", "--executor", executor)
    documents = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["text"] for line in documents if line["event"] == "printed"] == ["one", "two", "three"]
    assert "one" not in done.stdout


@pytest.mark.parametrize("executor", EXECUTORS)
def test_on_a_terminal_it_stays_above_the_table(printing: ProjectFolder, executor: str) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "run", "--executor", executor],
        cwd=printing.path,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
    )
    os.close(follower)
    shown = b""
    with os.fdopen(leader, "rb", buffering=0) as terminal:
        try:
            while chunk := os.read(terminal.fileno(), 10000):
                shown += chunk
        except OSError:  # as Linux tells the end
            pass
    assert process.wait(timeout=30) == 0
    lines = [line.strip() for line in CODES.sub("", shown.decode()).replace("\r", "\n").splitlines()]
    # Each on a line of its own, before what stays of the table.
    last = max(index for index, line in enumerate(lines) if line.startswith("table"))
    assert all(lines.index(text) < last for text in ("one", "two", "three"))
    assert [line[:8] for line in lines[last + 1 :] if line.startswith("✓")] == ["✓ totals", "✓ best"[:8] + "  "]


def test_an_invalid_project_is_one_json_line_where_stderr_is_json(
    project: ProjectFolder, cli: Callable[..., Invoked]
) -> None:
    project.write("lakehouse.yaml", project.read("lakehouse.yaml").replace("tables:", "tabels:"))
    invoked = cli("run", "--log-format", "json")
    [line] = [json.loads(line) for line in invoked.err.splitlines()]
    assert (invoked.code, line["event"], line["error"]["type"]) == (3, "error", "ProjectError")
    assert line["error"]["problems"][0]["line"] is not None


def test_lines_of_several_threads_are_not_mixed() -> None:
    import threading

    lines: list[str] = []
    printed = PrintedLines(lines.append, sys.__stderr__ or sys.stderr)
    printed.write("begun ")
    thread = threading.Thread(target=print, args=("whole",), kwargs={"file": printed})
    thread.start()
    thread.join()
    printed.write("here\nrest")
    assert lines == ["whole", "begun here"]
    printed.end_lines()
    printed.end_lines()
    assert lines == ["whole", "begun here", "rest"]
