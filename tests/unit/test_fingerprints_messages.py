"""What is said of an edit: the file that was edited, by the kind of what changed, and each edit once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lakehouse_cli.fingerprints import Fingerprinter, explain
from lakehouse_cli.model import FunctionRef
from lakehouse_cli.source_code import SourceReader


def parts(folder: Path, files: Mapping[str, str]) -> Mapping[str, str]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return Fingerprinter(folder, SourceReader(folder)).of(FunctionRef("transforms", "daily")).parts


SIDE = {
    "transforms.py": "import rates, side\ndef daily(raw): return rates.K\n",
    "rates.py": "K = 1\n",
    "side.py": "import rates\nrates.K = 2\n",
}
TWO_SIDES = {
    "transforms.py": "import rates, side, other\ndef daily(raw): return rates.K\n",
    "rates.py": "K = [1]\n",
    "side.py": "import rates\nrates.K.append(2)\n",
    "other.py": "import rates\nrates.K.append(3)\n",
}
SOURCE = {
    "transforms.py": "import inspect, rates\ndef daily(raw): return inspect.getsource(rates.f)\n",
    "rates.py": "def f(): return 1\n",
}
PACKAGE = {
    "transforms.py": "from pkg import rates\ndef daily(raw): return rates.K\n",
    "pkg/__init__.py": "from . import rates\nrates.K = 2\n",
    "pkg/rates.py": "K = 1\n",
}
GUARDED = {
    "transforms.py": "try:\n    from fast import f\nexcept ImportError:\n    def f(): return 1\n"
    "def daily(raw): return f()\n"
}
STAR = {"transforms.py": "from tools import *\ndef daily(raw): return len(raw)\n", "tools.py": "pass\n"}
LOOP = {"transforms.py": "K = []\nfor i in range(3):\n    K.append(i)\ndef daily(raw): return K\n"}


@pytest.mark.parametrize(
    ("before", "edits", "told"),
    [
        (SIDE, {"side.py": "import rates\nrates.K = 3\n"}, ("constant `K` changed (side.py)",)),
        (SIDE, {"side.py": ""}, ("constant `K` changed (side.py)",)),
        (
            TWO_SIDES,
            {"transforms.py": TWO_SIDES["transforms.py"].replace("side, other", "other, side")},
            ("constant `K` changed (other.py and side.py run in another order)",),
        ),
        (
            SOURCE,
            {"rates.py": SOURCE["rates.py"] + "# a comment"},
            ("the text of rates.py changed, which is looked at",),
        ),
        (
            SOURCE,
            {"rates.py": SOURCE["rates.py"].replace("1", "2")},
            ("helper `f` changed (rates.py)",),
        ),
        (SIDE, {"rates.py": "K = 0\n"}, ("constant `K` changed (rates.py)",)),
        (
            SIDE,
            {"rates.py": "K = 0\n", "side.py": "import rates\nrates.K = 3\n"},
            ("constant `K` changed (rates.py, side.py)",),
        ),
        (
            PACKAGE,
            {"pkg/__init__.py": "from . import rates\nrates.K = 3\n"},
            ("constant `K` changed (pkg/__init__.py)",),
        ),
        (
            GUARDED,
            {"transforms.py": GUARDED["transforms.py"].replace("return 1", "return 2")},
            ("helper `f` changed (transforms.py)",),
        ),
        (
            GUARDED,
            {"fast.py": "def f(): return 2\n"},
            ("`fast` is in the project now", "helper `f` is newly reached (fast.py)"),
        ),
        (
            LOOP,
            {"transforms.py": LOOP["transforms.py"].replace("3", "4")},
            ("constant `K` changed (transforms.py)", "loop variable `i` changed (transforms.py)"),
        ),
        (STAR, {"tools.py": "def len(x): return 1\n"}, ("helper `len` is newly reached (tools.py)",)),
    ],
)
def test_what_is_told_of_an_edit(
    tmp_path: Path, before: Mapping[str, str], edits: Mapping[str, str], told: tuple[str, ...]
) -> None:
    old = parts(tmp_path / "old", before)
    assert explain(old, parts(tmp_path / "new", {**before, **edits}), "daily") == told


def test_what_is_told_of_a_module_that_goes_away(tmp_path: Path) -> None:
    old = parts(tmp_path / "old", {**GUARDED, "fast.py": "def f(): return 2\n"})
    told = ("`fast` is in the project no more", "helper `f` is no longer reached (fast.py)")
    assert explain(old, parts(tmp_path / "new", GUARDED), "daily") == told
