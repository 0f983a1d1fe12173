"""Code that is nested up to a thousand levels deep is read, and refused beyond."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Cli, ProjectFolder
from tests.unit.code.projects import fingerprint

DAILY = "def daily(raw): return raw\n"


def texts(count: int) -> str:
    return f"SQL = ({' + '.join(['TEXT'] * count)})\nTEXT = 'a'\ndef daily(raw=SQL): return raw\n"


def branches(count: int) -> str:
    cases = "".join(f"    elif x == {i}: return helper\n" for i in range(count))
    return f"def helper(x): return x\ndef f(x):\n    if x is None: return x\n{cases}def daily(raw): return f(raw)\n"


def top_branches(count: int) -> str:
    cases = "".join(f"elif X == {i}: Y = {i}\n" for i in range(count))
    return f"X = 1\nif X is None: Y = None\n{cases}def daily(raw): return Y\n"


def methods(count: int) -> str:
    return f"def daily(raw): return raw{'.assign(a=1)' * count}\n"


def exported(count: int) -> str:
    return f"__all__ = {' + '.join(['[]'] * count)}\nfrom transforms import *\ndef daily(raw): return raw\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "count"),
    [
        *[(texts, 360), (texts, 980), (branches, 350), (branches, 980), (top_branches, 980)],
        *[(methods, 250), (methods, 480), (exported, 480)],
    ],
)
def test_deeply_nested_code_is_read(folder: ProjectFolder, cli: Cli, code: Callable[[int], str], count: int) -> None:
    # In a thread of its own, where nothing is called yet, as on a user's command line.
    folder.declare("daily: {inputs: []}")
    folder.path.joinpath("transforms.py").write_text(code(count).replace("daily(raw)", "daily(raw=None)"))
    reported = []

    def ask() -> None:
        reported.extend([cli("validate"), cli("plan", "-o", "json")])

    usual = sys.getrecursionlimit()
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    validated, planned = reported
    assert (validated.code, planned.code, validated.err + planned.err) == (0, 0, "")
    assert planned.json["tables"][0]["action"] == "run"
    assert sys.getrecursionlimit() == usual


@pytest.mark.parametrize("old", ["x == 300: return helper", "X == 300: Y = 300", "X == 3: Y = 3\n"])
def test_an_edit_deep_inside_counts(tmp_path: Path, old: str) -> None:
    hashes = []
    for new in (old, old.replace("3", "-3", 1)):
        code = (branches if "helper" in old else top_branches)(400).replace(old, new)
        hashes.append(fingerprint(tmp_path, {"transforms.py": code}).hash)
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize(
    ("code", "what", "line"),
    [
        (texts(20_000), "transforms.py is nested more than 1,000 levels deep", None),
        (f"SQL = {'-' * 20_000}1\n{DAILY}", "transforms.py is nested more than 1,000 levels deep", None),
        (f"X = 1\n{texts(1_020)}", "transforms.py is nested more than 1,000 levels deep here", 2),
        (f"X = 1\n{branches(1_020)}", "transforms.py is nested more than 1,000 levels deep here", 3),
        (f"X = 1\n{methods(510)}", "transforms.py is nested more than 1,000 levels deep here", 2),
    ],
    ids=["long sum", "signs", "sum", "branches", "methods"],
)
@pytest.mark.parametrize("command", ["validate", "plan", "run"])
def test_code_nested_more_deeply_is_refused_with_its_place(
    folder: ProjectFolder, cli: Cli, command: str, code: str, what: str, line: int | None
) -> None:
    folder.declare("{daily: {}, raw: {kind: source}}")
    folder.path.joinpath("transforms.py").write_text(code)
    reported = cli(command, "-o", "json")
    assert (reported.code, reported.err) == (3, "")
    [problem] = reported.json["error"]["problems"]
    assert (problem["message"], problem["file"], problem["line"]) == (what, "transforms.py", line)
    assert "in several steps" in problem["hint"]
