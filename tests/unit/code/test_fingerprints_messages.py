"""What is said of an edit: the file that was edited, by the kind of what changed, and each edit once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lakehouse_cli.code.fingerprints.explanation import explain
from tests.cases import each_case
from tests.unit.code.projects import fingerprint


def parts(
    folder: Path, files: Mapping[str, str], module: str = "transforms", function: str = "daily"
) -> Mapping[str, str]:
    return fingerprint(folder, files, function, module).parts


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

REGISTRY = {
    "transforms.py": "import plug\nfrom reg import R\ndef daily(raw): return R['f'](raw)\n",
    "reg.py": "R = {}\ndef reg(f):\n    R[f.__name__] = f\n    return f\n",
    "plug.py": "from reg import reg\n@reg\ndef f(x): return 1\n@reg\ndef g(x): return 1\n",
}
ONE_FILE = {
    "transforms.py": "R = {}\ndef reg(f):\n    R[f.__name__] = f\n    return f\n"
    "@reg\ndef h(x): return 1\ndef daily(raw): return R['h'](raw)\n"
}
DISPATCH = {
    "transforms.py": "import plug\nfrom reg import s\ndef daily(raw): return s(raw)\n",
    "reg.py": "from functools import singledispatch\n@singledispatch\ndef s(x): return 0\n",
    "plug.py": "from reg import s\n@s.register\ndef of_int(x: int): return 1\n",
}
CLASSES = {
    "transforms.py": "import plug\nfrom base import A\ndef daily(raw): return A.all\n",
    "base.py": "class A:\n    all = []\n    def __init_subclass__(cls): A.all.append(cls)\n",
    "plug.py": "from base import A\nclass B(A):\n    n = 1\n",
}
HELPERS = {
    "transforms.py": "import helpers\ndef daily(raw): return helpers.clean(raw)\n",
    "helpers.py": "def clean(x): return low(x)\ndef low(x): return deep(x)\ndef deep(x): return x\n",
    **{f"pkg/part{i}.py": f"def f{i}(x): return x\n" for i in range(20)},
}
AMBIENT = {
    "transforms.py": "import helpers\ndef daily(raw): return helpers.clean(raw)\n",
    "helpers.py": "import os\nZONE = 'UTC'\ndef clean(x): return x\n",
}
MANY = {**REGISTRY, "plug.py": "from reg import reg\n" + "".join(f"@reg\ndef f{i}(x): return 1\n" for i in range(5))}


IMPORTED = "statements that run when {} is imported changed"


@each_case(
    ("before", "file", "old", "new", "reported"),
    [
        (SIDE, "side.py", "2", "3", [IMPORTED.format("side.py")]),
        (SIDE, "side.py", SIDE["side.py"], "", [IMPORTED.format("side.py")]),
        (SIDE, "rates.py", "1", "0", ["constant `K` changed (rates.py)"]),
        (
            TWO_SIDES,
            "transforms.py",
            "side, other",
            "other, side",
            ["other.py and side.py are imported in another order"],
        ),
        (SOURCE, "rates.py", "1\n", "1\n# a comment", ["the text of rates.py changed, which is looked at"]),
        (SOURCE, "rates.py", "1", "2", ["helper `f` changed (rates.py)"]),
        (PACKAGE, "pkg/__init__.py", "2", "3", [IMPORTED.format("pkg/__init__.py")]),
        (GUARDED, "transforms.py", "return 1", "return 2", ["helper `f` changed (transforms.py)"]),
        (LOOP, "transforms.py", "3", "4", [IMPORTED.format("transforms.py")]),
        (REGISTRY, "plug.py", "f(x): return 1", "f(x): return 2", ["`f`, which acts on `R`, changed (plug.py)"]),
        (
            REGISTRY,
            "plug.py",
            "@reg\ndef g",
            "@reg\ndef new(x): return 1\n@reg\ndef g",
            ["`new`, which acts on `R`, is new (plug.py)"],
        ),
        (REGISTRY, "plug.py", "@reg\ndef g(x): return 1\n", "", ["`g`, which acts on `R`, is gone (plug.py)"]),
        (REGISTRY, "reg.py", "{}", "{'a': 1}", ["constant `R` changed (reg.py)"]),
        (MANY, "plug.py", "return 1", "return 2", ["`f0`, `f1`, `f2` and 2 more, which act on `R`, changed (plug.py)"]),
        (ONE_FILE, "transforms.py", "return 1", "return 2", ["`h`, which acts on `R`, changed (transforms.py)"]),
        (ONE_FILE, "transforms.py", "{}", "{'a': 1}", ["constant `R` changed (transforms.py)"]),
        (DISPATCH, "plug.py", "return 1", "return 2", ["`of_int`, which acts on `s`, changed (plug.py)"]),
        (CLASSES, "plug.py", "n = 1", "n = 2", ["`B`, which acts on `A`, changed (plug.py)"]),
        (
            HELPERS,
            "helpers.py",
            "def low(x): return deep(x)\n",
            "",
            ["helper `low` is gone (helpers.py), and is still used", "no longer uses helper `deep` (helpers.py)"],
        ),
        (
            HELPERS,
            "helpers.py",
            HELPERS["helpers.py"],
            "def low(x): return 1\n",
            [
                "helper `clean` is gone (helpers.py), and is still used",
                "no longer uses helper `deep` (helpers.py)",
                "no longer uses helper `low` (helpers.py)",
            ],
        ),
        (
            HELPERS,
            "helpers.py",
            "return deep(x)\n",
            "return eval(x)\n",
            [
                "helpers.py now does what cannot be followed, so that the whole project counts",
                "helper `low` changed (helpers.py)",
                "now uses helpers.py as a whole",
                "no longer uses helper `deep` (helpers.py)",
                "now uses pkg/part0.py as a whole",
                "and 20 more",
            ],
        ),
        (
            AMBIENT,
            "helpers.py",
            "return x\n",
            "return x\nos.environ['TZ'] = ZONE\n",
            ["now uses constant `ZONE` (helpers.py)", IMPORTED.format("helpers.py")],
        ),
        (STAR, "tools.py", "pass\n", "def len(x): return 1\n", ["now uses helper `len` (tools.py)"]),
    ],
)
def test_message_for_an_edit(
    tmp_path: Path, before: Mapping[str, str], file: str, old: str, new: str, reported: list[str]
) -> None:
    assert old in before[file]
    now = {**before, file: before[file].replace(old, new)}
    assert list(explain(parts(tmp_path / "old", before), parts(tmp_path / "new", now), "daily")) == reported


def test_message_for_edits_of_two_files(tmp_path: Path) -> None:
    now = {**SIDE, "rates.py": "K = 0\n", "side.py": "import rates\nrates.K = 3\n"}
    reported = explain(parts(tmp_path / "old", SIDE), parts(tmp_path / "new", now), "daily")
    assert reported == ("constant `K` changed (rates.py)", IMPORTED.format("side.py"))


def test_message_for_a_module_that_comes_and_goes(tmp_path: Path) -> None:
    without = parts(tmp_path / "without", GUARDED)
    with_it = parts(tmp_path / "with", {**GUARDED, "fast.py": "def f(): return 2\n"})
    assert explain(without, with_it, "daily") == ("`fast` is in the project now", "now uses helper `f` (fast.py)")
    gone = ("`fast` is in the project no more", "no longer uses helper `f` (fast.py)")
    assert explain(with_it, without, "daily") == gone


def test_message_for_a_module_no_longer_unfollowed(tmp_path: Path) -> None:
    anywhere = {**HELPERS, "helpers.py": HELPERS["helpers.py"].replace("deep(x)\n", "eval(x)\n", 1)}
    reported = explain(parts(tmp_path / "old", anywhere), parts(tmp_path / "new", HELPERS), "daily")
    assert reported[:2] == ("helpers.py no longer does what cannot be followed", "helper `low` changed (helpers.py)")
    assert reported[-1] == "and 20 more"


def test_long_lists_of_changes_are_cut(tmp_path: Path) -> None:
    names = [f"f{i:02}" for i in range(30)]
    code = "".join(f"def {name}(x): return 1\n" for name in names)
    files = {"transforms.py": f"{code}def daily(raw): return [{', '.join(names)}]\n"}
    edited = {"transforms.py": files["transforms.py"].replace("return 1", "return 2")}
    reported = explain(parts(tmp_path / "old", files), parts(tmp_path / "new", edited), "daily")
    assert reported == (*(f"helper `{name}` changed (transforms.py)" for name in names[:8]), "and 22 more")


@pytest.mark.parametrize(
    ("before", "now", "reported"),
    [
        (None, "not installed", "now uses fast, which is not installed"),
        ("1.0", "not installed", "fast 1.0 is not installed any more"),
        ("not installed", "1.0", "fast 1.0 is installed now"),
        ("not installed", None, "no longer uses fast"),
    ],
)
def test_message_for_a_package_not_installed(before: str | None, now: str | None, reported: str) -> None:
    old, new = ({"package fast": version} if version is not None else {} for version in (before, now))
    assert explain(old, new, "daily") == (reported,)


def test_message_for_a_name_that_is_passed_on() -> None:
    assert explain({}, {"tools.py:ch2": "import 3f0a"}, "daily") == ("now uses `ch2`, which tools.py imports",)


def test_message_for_another_function_of_a_table(tmp_path: Path) -> None:
    code = "def one(raw): return len(raw)\n"
    old = parts(tmp_path / "old", {"transforms.py": code}, "transforms", "one")
    renamed = parts(tmp_path / "renamed", {"transforms.py": code.replace("one", "two")}, "transforms", "two")
    assert explain(old, renamed, "two") == ("the function is now `two`",)
    elsewhere = parts(tmp_path / "elsewhere", {"other.py": "def one(raw): return 0\n"}, "other", "one")
    assert explain(old, elsewhere, "one") == ("the function is now `one` (other.py)",)
    within = parts(
        tmp_path / "within", {"transforms.py": f"{code}def two(raw): return one(raw)\n"}, "transforms", "two"
    )
    assert explain(old, within, "two") == ("the function is now `two`",)
