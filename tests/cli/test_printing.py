"""What transforms print goes beside the results, in whole lines, whatever computes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest

from lakehouse_cli.text.printing import PipedLines, PrintedLines, redirected
from tests import preloaded
from tests.cli.running import COMMAND, ON_ARROW, on_a_terminal
from tests.conftest import Cli, ProjectFolder

EXECUTORS = ["threads", "serial", "processes"]


@pytest.fixture
def project(project: ProjectFolder) -> ProjectFolder:
    """The project with Arrow's tables: to load pandas takes a process longer than all else that it does."""
    project.write("transforms.py", ON_ARROW)
    return project


@pytest.fixture
def printing(project: ProjectFolder) -> ProjectFolder:
    """A project whose transforms print, the first of them without a newline at the end."""
    text = project.read("transforms.py").replace(
        "    return orders", '    print("one\\ntwo", end="")\n    return orders'
    )
    text = text.replace("    return totals", '    print("three", file=sys.stderr)\n    return totals')
    project.write("transforms.py", text.replace("import pyarrow as pa", "import sys\nimport pyarrow as pa"))
    return project


def run(folder: ProjectFolder, *argv: str) -> subprocess.CompletedProcess[str]:
    return preloaded.run([*COMMAND, "run", *argv], cwd=folder.path, capture_output=True, text=True)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_stdout_has_results_and_nothing_else(printing: ProjectFolder, executor: str) -> None:
    done = run(printing, "--executor", executor)
    assert done.returncode == 0
    assert done.stderr == "one\ntwo\nthree\n"
    lines = done.stdout.splitlines()
    assert [line[:8] for line in lines[2:5]] == ["  table ", "✓ totals", "✓ best  "]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_line_without_end_does_not_run_into_ours(printing: ProjectFolder, executor: str) -> None:
    command = [*COMMAND, "run", "--executor", executor]
    done = preloaded.run(command, cwd=printing.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = done.stdout.splitlines()
    assert lines[lines.index("two") + 1 :][0].startswith(("✓ totals", ""))
    assert {"one", "two", "three"} <= set(lines)


def test_output_of_child_programs_is_not_on_stdout(project: ProjectFolder) -> None:
    project.edit("transforms.py", "    return orders", '    os.system("echo shell")\n    return orders')
    project.edit("transforms.py", "import pyarrow as pa", "import os\nimport pyarrow as pa")
    done = run(project)
    assert "shell" not in done.stdout
    assert done.stderr == "shell\n"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_printed_lines_are_json_where_stderr_is(printing: ProjectFolder, executor: str) -> None:
    done = run(printing, "--log-format", "json", "-o", "json", "--executor", executor)
    documents = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["text"] for line in documents if line["event"] == "printed"] == ["one", "two", "three"]
    assert json.loads(done.stdout)["status"] == "success"


def run_on_a_terminal(folder: ProjectFolder, *argv: str, width: int = 100, code: int = 0) -> list[str]:
    """The lines that came to the screen of a run."""
    return [line.strip() for line in on_a_terminal(folder.path, "run", *argv, width=width, code=code)]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_on_a_terminal_it_stays_above_the_table(printing: ProjectFolder, executor: str) -> None:
    lines = run_on_a_terminal(printing, "--executor", executor)
    # Each on a line of its own, before what stays of the table.
    last = max(index for index, line in enumerate(lines) if line.startswith("table"))
    assert all(lines.index(text) < last for text in ("one", "two", "three"))
    assert [line[:8] for line in lines[last + 1 :] if line.startswith("✓")] == ["✓ totals", "✓ best  "]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_output_of_child_programs_goes_to_stderr_too(project: ProjectFolder, executor: str) -> None:
    """To either descriptor, by its name too, and with no newline at the end; one that lives on keeps nobody waiting."""
    program = "echo one; echo two >&2; echo three >/dev/stderr; sleep 9 & printf four"
    text = project.read("transforms.py").replace("    return totals", f"    os.system({program!r})\n    return totals")
    project.write("transforms.py", text.replace("import pyarrow as pa", "import os\nimport pyarrow as pa"))
    lines = run_on_a_terminal(project, "--executor", executor)
    last = max(index for index, line in enumerate(lines) if line.startswith("table"))
    at = [lines.index(text) for text in ("one", "two", "three", "four")]
    assert at == sorted(at)
    assert at[-1] < last
    assert [line[:8] for line in lines[last + 1 :] if line.startswith("✓")] == ["✓ totals", "✓ best  "]


@pytest.fixture
def leaking(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A project whose transform leaks secrets: prints them, to stderr too, and has programs write them."""
    secret = f"{project.path}/hunter2"
    monkeypatch.setenv("PW", "correct horse")
    monkeypatch.setenv("ROOT", secret)
    project.edit(
        "lakehouse.yaml", "tables:\n", 'storages: {default: {root: "${ROOT}"}, other: {root: "${PW}"}}\ntables:\n', 1
    )
    (project.path / "data").rename(secret)
    leaking = (
        '    print("printed", os.environ["PW"])\n    print("errors", os.environ["ROOT"], file=sys.stderr)\n'
        '    os.system("echo shell $ROOT; echo shell errors $ROOT >&2; printf rest$ROOT >&2")\n    return totals'
    )
    project.edit("transforms.py", "    return totals", leaking)
    project.edit("transforms.py", "import pyarrow as pa", "import os, sys\nimport pyarrow as pa")
    return project


@pytest.mark.parametrize("executor", ["threads", "processes"])
@pytest.mark.parametrize("how", [["-o", "json"], [], ["-q"], ["--log-format", "json"]])
def test_no_secret_is_shown_from_any_writer(leaking: ProjectFolder, executor: str, how: list[str]) -> None:
    done = run(leaking, "--executor", executor, *how)
    assert done.returncode == 0
    assert "hunter2" not in done.stdout + done.stderr
    assert "correct horse" not in done.stdout + done.stderr
    wanted = ["printed ${PW}", "errors ${ROOT}", "shell ${ROOT}", "shell errors ${ROOT}", "rest${ROOT}"]
    lines = done.stderr.splitlines()
    documents = [json.loads(line) for line in lines if line.startswith("{")]
    printed = [each["text"] for each in documents if each["event"] == "printed"]
    assert sorted(printed + [line for line in lines if not line.startswith("{")]) == sorted(wanted)
    if how == ["-o", "json"]:
        assert json.loads(done.stdout)["status"] == "success"


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_no_secret_is_shown_on_a_terminal_either(leaking: ProjectFolder, executor: str) -> None:
    lines = run_on_a_terminal(leaking, "--executor", executor)
    assert not [line for line in lines if "hunter2" in line]
    assert {"printed ${PW}", "errors ${ROOT}", "shell ${ROOT}", "shell errors ${ROOT}"} <= set(lines)


def test_no_secret_is_shown_by_a_comparison(leaking: ProjectFolder) -> None:
    done = preloaded.run([*COMMAND, "diff"], cwd=leaking.path, capture_output=True, text=True)
    assert "hunter2" not in done.stdout + done.stderr
    assert {"printed ${PW}", "errors ${ROOT}", "shell ${ROOT}"} <= set(done.stderr.splitlines())


def test_a_long_line_is_left_to_the_terminal_to_break(printing: ProjectFolder) -> None:
    """As it would break it without us: words and columns stay as they were printed."""
    long = "many  words " * 20
    printing.edit("transforms.py", "three", long)
    assert long.strip() in run_on_a_terminal(printing, width=60)


@pytest.mark.parametrize("width", [60, 120, 0])
def test_the_table_is_as_wide_as_the_screen(project: ProjectFolder, width: int) -> None:
    """Though stdout itself is something else meanwhile."""
    project.edit("transforms.py", "    return totals", "    raise OSError('long ' * 99)\n    return totals")
    rows = [line for line in run_on_a_terminal(project, width=width, code=1) if line.startswith("✗ best")]
    assert rows[-1].endswith("…")
    width = width or 80  # the default where a terminal reports none
    assert width - 6 < len(rows[-1]) <= width


def test_a_comparison_has_its_own_stdout_too(project: ProjectFolder) -> None:
    project.edit("transforms.py", "    return orders", '    os.system("echo shell")\n    return orders')
    project.edit("transforms.py", "import pyarrow as pa", "import os\nimport pyarrow as pa")
    command = [*COMMAND, "diff", "-o", "json"]
    done = preloaded.run(command, cwd=project.path, capture_output=True, text=True)
    assert json.loads(done.stdout)["status"] == "different"
    assert done.stderr == "shell\n"


def test_invalid_project_is_one_json_line_on_stderr(project: ProjectFolder, cli: Cli) -> None:
    project.edit("lakehouse.yaml", "tables:", "tabels:")
    invoked = cli("run", "--log-format", "json")
    [line] = [json.loads(line) for line in invoked.err.splitlines()]
    assert (invoked.code, line["event"], line["error"]["type"]) == (3, "error", "ProjectError")
    assert line["error"]["problems"][0]["line"] is not None


BESIDE = """
import os
import time
from pathlib import Path

import pyarrow as pa


def wait(path):
    limit = time.monotonic() + 60
    while not Path(path).exists() and time.monotonic() < limit:
        time.sleep(0.01)


def slow() -> pa.Table:
    one, two = os.environ["PW"].split()
    print("printed", one, end=" ", flush=True)
    os.write(2, f"written {one} ".encode())
    Path("begun").touch()
    wait("after")
    os.write(2, f"{two} past Python\\n".encode())
    print(two, "by Python")
    return pa.table({"n": [1]})


def quick() -> pa.Table:
    wait("begun")
    print("whole")
    print("without end", end="")
    return pa.table({"n": [1]})


def after(quick: pa.Table) -> pa.Table:
    Path("after").touch()
    return quick
"""


@pytest.mark.parametrize("how", [[], ["--log-format", "json"]])
def test_lines_of_a_table_go_on_as_others_end(
    folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch, how: list[str]
) -> None:
    """What is written in pieces is one line, whose secret is found, whatever others print and end meanwhile."""
    monkeypatch.setenv("PW", "correct horse")
    folder.declare(
        "\n".join(f"{name}: {{columns: {{n: int64}}}}" for name in ("slow", "quick", "after")),
        BESIDE,
        top='storages: {default: {root: data}, other: {root: "${PW}"}}\n',
    )
    done = run(folder, "--workers", "2", *how)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    documents = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    lines += [each["text"] for each in documents if each["event"] == "printed"]
    assert sorted(lines) == ["printed ${PW} by Python", "whole", "without end", "written ${PW} past Python"]


def test_lines_of_several_threads_are_not_mixed() -> None:
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


def test_lines_of_a_pipe_are_whole_and_there_in_time() -> None:
    lines: list[str] = []
    piped = PipedLines(lines.append)
    os.write(piped.descriptor, b"one\n\ntwo\nthr")
    os.write(piped.descriptor, b"ee\nno end \xff")
    piped.end_lines()
    assert lines == ["one", "", "two", "three", "no end \ufffd"]
    piped.end_lines()
    copied = os.dup(piped.descriptor)
    os.write(copied, b"last")
    piped.close()
    assert lines[5:] == ["last"]
    with pytest.raises(BrokenPipeError):
        os.write(copied, b"late")
    os.close(copied)


def test_messages_start_on_a_line_of_their_own() -> None:
    lines: list[str] = []
    piped = PipedLines(lines.append)
    os.write(piped.descriptor, b"first\nbegun ")
    piped.write_line("ours é \udcff")
    os.write(piped.descriptor, b"and ended\n")
    piped.write_line("ours again")
    piped.close()
    assert lines == ["first", "ours é \\udcff", "begun and ended", "ours again"]


def test_redirected_descriptor_is_restored() -> None:
    read_end, write_end = os.pipe()
    other = os.dup(2)
    with redirected(other, write_end):
        os.write(other, b"x")
    assert os.read(read_end, 10) == b"x"
    assert os.path.sameopenfile(other, 2)
    for descriptor in (read_end, write_end, other):
        os.close(descriptor)
    with redirected(other, 1):
        pass  # it is closed, and stays so
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(other)


def test_unwritable_history_is_shown_on_a_terminal(project: ProjectFolder) -> None:
    project.write(".lakehouse/runs", "")
    lines = run_on_a_terminal(project)
    assert "the history of this run is not complete: `.lakehouse/runs` is not a folder" in lines


@pytest.mark.parametrize("width", [60, 80])
def test_lines_with_long_names_of_tables_fit(folder: ProjectFolder, cli: Cli, width: int) -> None:
    name = "n" * 120
    code = f"import pyarrow as pa\ndef {name}(s: pa.Table) -> pa.Table: return pa.concat_tables([s, s])\n"
    tables = f"tables:\n  s: {{kind: source}}\n  {name}: {{path: short, columns: {{a: int64}}}}\n"
    folder.write("lakehouse.yaml", f"name: p\nmodule: m\n{tables}")
    folder.write("m.py", code)
    folder.write("data/s.csv", "a\n1\n")
    assert cli("run").code == 0
    shown = on_a_terminal(folder.path, "show", name, width=width)
    failed = on_a_terminal(folder.path, "show", name, "--failed", width=width)
    same = on_a_terminal(folder.path, "diff", width=width)
    folder.write("m.py", code.replace("[s, s]", "[s]"))
    differs = on_a_terminal(folder.path, "diff", width=width, code=1)
    for lines in (shown, failed, same, differs):
        assert any("nnnn" in line and "…" in line for line in lines), lines
        assert all(len(line) <= width for line in lines if "`" not in line), lines
    assert "data/short.csv · 2 rows" in shown[1]
