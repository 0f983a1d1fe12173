"""What changes a fingerprint and what does not: one small project per rule, before and after an edit."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from lakehouse_cli.code.fingerprints.explanation import explain
from lakehouse_cli.code.fingerprints.fingerprint import Fingerprinter
from lakehouse_cli.code.source import SourceError, SourceReader
from lakehouse_cli.model import FunctionRef
from tests.unit.code.projects import PACKAGE, fingerprint, write


def test_code_on_a_path_that_the_code_adds_counts(tmp_path: Path) -> None:
    code = "import sys\nsys.path.insert(0, 'lib')\nimport tools\ndef daily(raw): return tools.f(raw)\n"
    files = {"transforms.py": code, "lib/tools.py": "def f(x): return 1"}
    before = fingerprint(tmp_path, files)
    assert before.hash != fingerprint(tmp_path, {**files, "lib/tools.py": "def f(x): return 2"}).hash


@pytest.mark.parametrize(
    ("name", "file"), [("fast", "fast.cpython-311-x86_64-linux-gnu.so"), ("pkg.fast", "pkg/fast.pyd")]
)
def test_compiled_code_counts(tmp_path: Path, name: str, file: str) -> None:
    files = {"transforms.py": f"import {name}\ndef daily(raw): return {name}.f(raw)", "pkg/__init__.py": ""}
    found = [fingerprint(tmp_path, more).hash for more in (files, {**files, file: "1"}, {**files, file: "2"})]
    assert len(set(found)) == 3


def test_relative_imports_in_a_package_are_followed(tmp_path: Path) -> None:
    files = {
        "jobs/__init__.py": "",
        "jobs/steps/__init__.py": "from .. import shared",
        "jobs/steps/daily.py": "from . import shared as s\nfrom ..rates import RATE\nfrom .near import f\n"
        "def daily(raw): return s.g(f(raw)) * RATE\n",
        "jobs/steps/near.py": "def f(x): return 1\n",
        "jobs/rates.py": "RATE = 1\n",
        "jobs/shared.py": "def g(x): return 1\n",
    }
    before = fingerprint(tmp_path, files, module="jobs.steps.daily")
    for name in ("jobs/steps/near.py", "jobs/rates.py", "jobs/shared.py"):
        edited = {**files, name: files[name].replace("1", "2")}
        assert fingerprint(tmp_path, edited, module="jobs.steps.daily").hash != before.hash
    unrelated = {**files, "jobs/shared.py": files["jobs/shared.py"] + "def h(x): return 1\n"}
    assert fingerprint(tmp_path, unrelated, module="jobs.steps.daily") == before


def test_parts_name_what_is_reached(tmp_path: Path) -> None:
    code = """
        import json
        import pandas as pd
        from pkg import clean
        LIMIT = 1
        class Scale: pass
        def daily(raw: pd.DataFrame): return clean(raw), LIMIT, Scale, json.dumps(raw)
        def other(raw): return raw
        """
    parts = fingerprint(tmp_path, {"transforms.py": code, **PACKAGE}).parts
    assert next(iter(parts)) == "transforms.py:daily"
    assert set(parts) == {
        "transforms.py:daily",
        "transforms.py:LIMIT",
        "transforms.py:Scale",
        "pkg/__init__.py:clean",
        "pkg/impl.py:clean",
        "pkg/impl.py:SCALE",
        "pkg/deep/inner.py:add",
        "package pandas",
        "python",
        "rules",
    }
    assert parts["package pandas"] == metadata.version("pandas")
    assert parts["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert parts["transforms.py:LIMIT"].startswith("constant ")
    assert parts["transforms.py:Scale"].startswith("class ")
    assert parts["transforms.py:daily"].startswith("function ")


def test_moved_project_has_the_same_fingerprint(tmp_path: Path) -> None:
    files = {"transforms.py": "from pkg import clean as daily", **PACKAGE}
    assert fingerprint(tmp_path / "here", files) == fingerprint(tmp_path / "there", files)


@pytest.mark.parametrize(
    ("code", "packages"),
    [
        ("import polars as pl\ndef daily(raw: pl.DataFrame): return raw", {"polars"}),
        ("import ibis\ndef daily(raw: ibis.Table): return raw", {"ibis", "duckdb"}),
        ("import pandas, yaml\ndef daily(raw: list): return yaml.dump(raw)", {"yaml"}),
        ("def daily(raw: list):\n    import dateutil.parser\n    return raw", {"dateutil"}),
        ("from dateutil import parser\ndef daily(raw: list): return parser.parse(raw)", {"dateutil"}),
        ("import helpers\ndef daily(raw: list): return helpers.f()", {"numpy"}),
        ("from numpy import *\ndef daily(raw: list): return mean(raw)", {"numpy"}),
        (
            "try:\n    import polars as x\nexcept ImportError:\n    import numpy as x\ndef daily(raw: list): return x",
            {"polars", "numpy"},
        ),
        ("def daily(raw): return raw", {"pandas"}),
        ("def daily(raw: list): return raw", set()),
        ("daily = lambda raw: raw", {"pandas"}),
        (
            "import collections.abc, importlib.metadata as m\n"
            "def daily(raw: collections.abc.Iterable): return m.version('a')",
            set(),
        ),
    ],
)
def test_packages_count_that_are_reached(tmp_path: Path, code: str, packages: set[str]) -> None:
    files = {"transforms.py": code, "helpers.py": "import numpy as np\nimport pyarrow\ndef f(): return np.pi\n"}
    parts = fingerprint(tmp_path, files).parts
    assert {key.removeprefix("package ") for key in parts if key.startswith("package ")} == packages


def test_versions_are_those_that_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    code = "import named, renamed, alone, mine, space.one\n"
    code += (
        "def daily(raw: list): return named.x, renamed.x, alone.x, mine.f(), space.one.f(), absent.x\nimport absent\n"
    )
    written = {
        "named/__init__.py": "raise SystemExit",
        "named-1.5.dist-info/RECORD": "named/__init__.py,,\n",
        "renamed.py": "raise SystemExit",
        "Other_Name-2.0.1.dist-info/RECORD": "renamed.py,,\n",
        "alone.py": "raise SystemExit",
        "alone.egg-info/PKG-INFO": "Metadata-Version: 2.1\nVersion: 3.0\n",
        "mine.py": "def f(): return 1",
        "space/one/__init__.py": "raise SystemExit",
        "space_one-4.0.dist-info/RECORD": "space/one/__init__.py,,\n",
        "space_two-5.0.dist-info/RECORD": "space/two/__init__.py,,\n",
    }
    write(site, written)
    before = fingerprint(tmp_path / "project", {"transforms.py": code}).parts
    assert before["package named"] == "1.5"
    assert before["package renamed"] == "2.0.1"
    assert before["package alone"] == "3.0"
    assert before["package space"] == "4.0; 5.0"
    assert before["unseen absent"] == "not found"
    assert before["mine.py:f"].startswith("function ")  # code of no distribution has no version: its source counts
    (site / "mine.py").write_text("def f(): return 2")
    (site / "named-1.5.dist-info").rename(site / "named-1.6.dist-info")
    after = fingerprint(tmp_path / "project", {"transforms.py": code}).parts
    assert {key for key in after if after[key] != before[key]} == {"mine.py:f", "package named"}


def test_transforms_of_an_installed_package_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    files = {"firm/__init__.py": "", "firm/steps.py": "from .tools import f\ndef daily(raw): return f(raw)\n"}
    files |= {"firm/tools.py": "def f(x): return 1", "firm-1.0.dist-info/RECORD": "firm/__init__.py,,\n"}
    write(site, files)
    parts = fingerprint(tmp_path / "project", {"a.py": ""}, module="firm.steps").parts
    assert {"firm/steps.py:daily", "firm/tools.py:f"} <= set(parts)
    own = fingerprint(tmp_path / "project", {"transforms.py": "import firm\ndef daily(raw): return firm.x"}).parts
    assert own["package firm"] == "1.0"


def test_nothing_is_executed(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    bomb = f"open({str(mark)!r}, 'w')\n"
    files = {"transforms.py": bomb + "from pkg.steps import f as daily", "pkg/__init__.py": bomb}
    files["pkg/steps.py"] = bomb + "import importlib\ndef f(x): return importlib.import_module(x)"
    fingerprint(tmp_path, files)
    assert not mark.exists()
    assert "pkg" not in sys.modules


@pytest.mark.parametrize(
    ("files", "message", "place"),
    [
        (
            {"transforms.py": "import helpers\ndef daily(x): return helpers.f()", "helpers.py": "def f(:\n"},
            "syntax error in helpers.py",
            "helpers.py:1:7",
        ),
        ({"transforms.py": "def daly(x): return x"}, "function `daily` is not in transforms.py", None),
        ({"other.py": ""}, "module `transforms` is neither beside the project file nor installed", None),
        ({"transforms.py": "def f(:"}, "syntax error in transforms.py", "transforms.py:1:7"),
    ],
)
def test_code_that_cannot_be_read(tmp_path: Path, files: dict[str, str], message: str, place: str | None) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        fingerprint(tmp_path, files)
    assert (str(caught.value.location) if caught.value.location else None) == place
    assert caught.value.hint is None or "daly" in caught.value.hint or "create transforms.py" in caught.value.hint


def test_a_broken_file_that_nothing_imports_does_no_harm(tmp_path: Path) -> None:
    broken = {"transforms.py": "def daily(raw): return raw", "broken.py": "def f(:"}
    assert "transforms.py:daily" in fingerprint(tmp_path, broken).parts
    computed = {"transforms.py": "def daily(raw): return __import__(raw.name)", "broken.py": "def f(:"}
    assert "broken.py" in fingerprint(tmp_path, computed).parts
    (tmp_path / "open.py").symlink_to(tmp_path / "nowhere.py")
    assert fingerprint(tmp_path, computed).parts["open.py"] == "module unreadable"


def test_import_cycles_and_recursion_end(tmp_path: Path) -> None:
    files = {
        "transforms.py": "from a import *\nimport b\nX = b.Y\ndef daily(x): return daily(x), f(), X",
        "a.py": "from b import *\nfrom transforms import daily, X\ndef f(): return g()",
        "b.py": "from a import *\nimport transforms\nY = transforms.X\ndef g(): return f()",
    }
    assert {"a.py", "b.py", "transforms.py:daily"} <= set(fingerprint(tmp_path, files).parts)


EVERY_SYNTAX = {
    "transforms.py": """
        import helpers
        def daily(raw: "list[int]", n=(1, 2.5, 1e400, 10**9, "\u1c89", b"x", None, ..., 3j), *, m: int = -1) -> int:
            "doc"
            x: int = 1
            del n
            return f"{raw!r} a", helpers.C().run(**{"a": 1, **raw})
        """,
    "helpers.py": """
        import os as system
        Frame = dict[str, "C"]
        class C(metaclass=type):
            n: Frame
            async def run(self, *a: int, k=1, **b):
                global Frame
                match self.n:
                    case {"a": [1, *rest], **more} | C(n=rest) if rest: return rest
                    case None | True: pass
                try:
                    with open("a") as f, open("b"): return [y async for y in a if (z := y)]
                except* (OSError, ValueError) as e:
                    raise RuntimeError(system.sep) from e
                while a[1:2, ::3]:
                    await (lambda q, /, *r: q if not r else (yield))(*a)
                else:
                    assert 1 < 2 <= 3, "not"
        """,
}


def test_fingerprint_is_equal_in_all_python_versions(tmp_path: Path) -> None:
    """These values may only be changed on purpose: then every table of every user is computed anew once."""
    parts = dict(fingerprint(tmp_path, EVERY_SYNTAX).parts)
    assert parts.pop("python") == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert parts.pop("package pandas")
    assert parts.pop("rules") == "2"
    assert parts == {
        "transforms.py:daily": "function 6fd7f22ade29",
        "helpers.py:C": "class 5b94cf5a876f",
        "helpers.py:Frame": "constant 4ebd474e7d2a",
    }


def test_messages_name_what_changed(tmp_path: Path) -> None:
    before = {
        "transforms.py": """
            import helpers, other
            import numpy as np
            LIMIT = 1
            class Scale:
                n = 1
            def daily(raw): return helpers.clean(raw), LIMIT, Scale, helpers.tidy(raw), other, np
            """,
        "helpers.py": "def clean(x): return to_day(x)\ndef to_day(x): return x\ndef tidy(x): return 2\n",
        "other.py": "Y = 1\n",
    }
    after = {
        "transforms.py": """
            import helpers, other, more, pandas as pd
            pd.set_option("a", 1)
            LIMIT = 2
            class Scale:
                n = 2
            def daily(raw): return helpers.clean(raw), LIMIT, Scale, more.tidy(raw), other
            """,
        "helpers.py": "def clean(x): return x + 1\ndef to_day(x): return x\n",
        "more.py": "def tidy(x): return 2\n",
        "other.py": "Y = 1\nZ = 2\n",
    }
    old = fingerprint(tmp_path / "before", before).parts
    new = fingerprint(tmp_path / "after", after).parts
    assert explain(old, new, "daily") == (
        "`daily` changed (transforms.py)",
        "helper `clean` changed (helpers.py)",
        "helper `tidy` moved from helpers.py to more.py",
        "no longer uses helper `to_day` (helpers.py)",
        "constant `LIMIT` changed (transforms.py)",
        "class `Scale` changed (transforms.py)",
        "statements that run when transforms.py is imported changed",
        "code in other.py changed",
        "no longer uses numpy",
    )
    assert explain(new, new, "daily") == ()


def test_reason_after_an_upgrade_of_lakehouse(tmp_path: Path) -> None:
    now = fingerprint(tmp_path, {"transforms.py": "def daily(raw): return raw"}).parts
    before = {name: f"{value}0" for name, value in now.items() if name != "rules"}
    assert explain(before, now, "daily") == ("this version of lakehouse compares code by other rules",)


def test_messages_about_versions() -> None:
    before = {"transforms.py:daily": "function 1", "package pandas": "3.0.1", "python": "3.11"}
    after = {"transforms.py:daily": "function 1", "package pandas": "3.1.1", "package polars": "1.0", "python": "3.13"}
    reported = ("pandas 3.0.1 → 3.1.1", "now uses polars 1.0", "Python 3.11 → 3.13")
    assert explain(before, after, "daily") == reported
    assert explain({}, {"h.py:f": "function 1", "h.py": "module 2"}, "daily") == (
        "now uses helper `f` (h.py)",
        "now uses h.py as a whole",
    )


def calls_for(folder: Path, count: int) -> int:
    """How many Python functions are called for the fingerprints of so many transforms of one module."""
    code = "import pandas as pd\n"
    for index in range(count):
        code += f"def t{index}(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:\n"
        code += '    return a.assign(value=a["value"] + b["value"])\n'
    folder.mkdir()
    (folder / "transforms.py").write_text(code)
    reader = SourceReader(folder)
    reader.module("transforms")
    calls = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        fingerprinter = Fingerprinter(folder, reader)
        found = {fingerprinter.of(FunctionRef("transforms", f"t{index}")).hash for index in range(count)}
    finally:
        sys.setprofile(None)
    assert len(found) == count
    return calls


def test_work_grows_in_line_with_the_functions(tmp_path: Path) -> None:
    assert calls_for(tmp_path / "many", 400) < 5 * calls_for(tmp_path / "few", 100)
