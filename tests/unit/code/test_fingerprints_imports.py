"""Which file an import leads to, as Python would take it on a run, and what cannot be determined of imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_cli.code.fingerprints import CodeFingerprint
from lakehouse_cli.code.fingerprints.explanation import explain
from tests.unit.code.projects import fingerprint, write


def test_a_package_hides_a_module_of_its_name(tmp_path: Path) -> None:
    files = {"transforms.py": "from x import f\ndef daily(raw): return f()\n", "x.py": "def f(): return 1\n"}
    module = fingerprint(tmp_path, files)
    package = fingerprint(tmp_path, {"x/__init__.py": "def f(): return 2\n"})
    assert "x/__init__.py:f" in package.parts
    assert package.hash != module.hash
    assert fingerprint(tmp_path, {"x.py": "def f(): return 3\n"}) == package
    assert fingerprint(tmp_path, {"x/__init__.py": "def f(): return 3\n"}) != package


def test_compiled_code_hides_a_source_of_its_name(tmp_path: Path) -> None:
    files = {"transforms.py": "import x\ndef daily(raw): return x.f()\n", "x.py": "def f(): return 1\n"}
    found = [fingerprint(tmp_path, files | more).hash for more in ({}, {"x.abi3.so": "1"}, {"x.abi3.so": "2"})]
    assert len(set(found)) == 3


def test_the_standard_library_comes_before_the_project(tmp_path: Path) -> None:
    files = {"transforms.py": "import calendar\ndef daily(raw): return calendar.monthrange(raw, 1)\n"}
    alone = fingerprint(tmp_path, files)
    assert fingerprint(tmp_path, {"calendar.py": "def monthrange(year, month): return 1\n"}) == alone


def test_name_of_another_systems_library_is_the_projects(tmp_path: Path) -> None:
    files = {"transforms.py": "import nt\ndef daily(raw): return nt.f()\n", "nt.py": "def f(): return 1\n"}
    before = fingerprint(tmp_path, files)
    assert "nt.py:f" in before.parts
    assert fingerprint(tmp_path, {"nt.py": "def f(): return 2\n"}) != before


def unseen(fingerprint: CodeFingerprint) -> dict[str, str]:
    return {name.removeprefix("unseen "): why for name, why in fingerprint.parts.items() if name.startswith("unseen ")}


NEEDED = "import tools\ndef daily(raw): return tools.f(raw)\n"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (NEEDED, {"tools": "not found"}),
        ("import tools\ndef daily(raw): return raw\n", {}),
        ("def daily(raw):\n    from tools.near import f\n    return f(raw)\n", {"tools": "not found"}),
        ("from tools import f as daily\n", {"tools": "not found"}),
        ("from pkg.tools import f\ndef daily(raw): return f(raw)\n", {"pkg.tools": "not found"}),
        (f"try:\n    import tools\nexcept ImportError:\n    tools = None\n{NEEDED[12:]}", {}),
        (f"try:\n    import tools\nexcept (KeyError, ModuleNotFoundError):\n    tools = None\n{NEEDED[12:]}", {}),
        (f"try:\n    import tools\nexcept KeyError:\n    tools = None\n{NEEDED[12:]}", {"tools": "not found"}),
        (f"try:\n    import json\nexcept ImportError:\n    import tools\n{NEEDED[12:]}", {"tools": "not found"}),
        (f"from contextlib import suppress\nwith suppress(ImportError):\n    import tools\n{NEEDED[12:]}", {}),
        (f"import sys\nif sys.platform == 'win32':\n    import tools\n{NEEDED[12:]}", {}),
        (f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tools\n{NEEDED[12:]}", {}),
        ("import json, numpy, pkg.near\ndef daily(raw): return json, numpy, pkg.near\n", {}),
    ],
)
def test_a_module_that_is_nowhere_to_be_found(tmp_path: Path, code: str, found: dict[str, str]) -> None:
    fingerprinted = fingerprint(tmp_path, {"transforms.py": code, "pkg/__init__.py": "", "pkg/near.py": ""})
    assert unseen(fingerprinted) == found
    assert fingerprinted.is_complete == (not found)
    assert bool(explain(fingerprinted.parts, fingerprinted.parts, "daily")) == bool(found)


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        # Where a folder is named, and what comes from it.
        ("import sys\nsys.path.insert(0, '{outside}')", {"tools": "outside"}),
        ("import sys\nsys.path.append('{outside}')", {"tools": "outside"}),
        ("import sys as s\ns.path += ['{outside}']", {"tools": "outside"}),
        ("from sys import path\npath[:0] = ['{outside}']", {"tools": "outside"}),
        ("import site\nsite.addsitedir('{outside}')", {"tools": "outside"}),
        (
            "import sys\nfrom pathlib import Path\nHERE = Path(__file__).resolve().parent\n"
            "if str(HERE.parent / 'outside') not in sys.path:\n    sys.path.append(str(HERE.parent / 'outside'))",
            {"tools": "outside"},
        ),
        (
            "import sys, os\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'outside'))",
            {"tools": "outside"},
        ),
        ("import sys\nfrom pathlib import Path\nsys.path.append(str(Path(__file__).parents[1] / 'outside'))", None),
        ("import sys\ndef set_up(): sys.path.insert(0, '{outside}')\nset_up()", {"tools": "outside"}),
        # Those inside the project are looked through.
        ("import sys, os\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'lib'))", {}),
        ("import sys\nfrom pathlib import Path\nsys.path.append(str(Path(__file__).parent / 'lib'))", {}),
        # The project's own, and what is not changed.
        (
            "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent))",
            {"tools": "not found"},
        ),
        ("import sys\nprint(sys.path)\nfor entry in sys.path: print(entry)", {"tools": "not found"}),
        # What cannot be determined may come first, or last.
        ("import sys, os\nsys.path.insert(0, os.environ['LIB'])", {"sys.path": "transforms.py", "tools": "not found"}),
        ("import sys, os\nsys.path.append(os.environ['LIB'])", {"tools": "not found"}),
        ("import sys\nfolders = sys.path", {"sys.path": "transforms.py", "tools": "not found"}),
        ("import sys\nsys.path = ['{outside}', *sys.path]", {"sys.path": "transforms.py", "tools": "not found"}),
    ],
)
def test_changes_of_sys_path(tmp_path: Path, edit: str, found: dict[str, str] | None) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "tools.py").write_text("def f(x): return 1\n")
    files = {"transforms.py": f"{edit.replace('{outside}', str(outside))}\n{NEEDED}"}
    if found == {}:
        files["lib/tools.py"] = "def f(x): return 1\n"
    before = fingerprint(tmp_path / "project", files)
    assert unseen(before) == ({"tools": "outside"} if found is None else found)
    if found == {}:
        assert fingerprint(tmp_path / "project", {"lib/tools.py": "def f(x): return 2\n"}) != before


def test_first_folder_on_the_path_hides_the_others(tmp_path: Path) -> None:
    first = "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent / '{}'))\n"
    code = "import helpers\ndef daily(raw): return helpers.f(raw)\n"
    files = {"helpers.py": "def f(x): return 1\n", "lib/helpers.py": "def f(x): return 2\n"}
    files |= {"transforms.py": first.format("lib") + code}
    before = fingerprint(tmp_path / "project", files)
    assert unseen(before) == {}
    assert fingerprint(tmp_path / "project", {"lib/helpers.py": "def f(x): return 3\n"}) != before
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "helpers.py").write_text("def f(x): return 4\n")
    moved = fingerprint(tmp_path / "project", {"transforms.py": first.format("../outside") + code})
    assert unseen(moved) == {"helpers": "outside"}


def test_computed_names_may_lead_to_folders_outside(tmp_path: Path) -> None:
    edit = f"import sys, importlib\nsys.path.append({str(tmp_path / 'outside')!r})\n"
    code = f"{edit}def daily(raw): return {{}}\n"
    assert unseen(fingerprint(tmp_path / "one", {"transforms.py": code.format("1")})) == {}
    computed = fingerprint(tmp_path / "two", {"transforms.py": code.format("importlib.import_module(raw.name)")})
    assert unseen(computed) == {"sys.path": "transforms.py"}


@pytest.mark.parametrize(
    ("package", "reported"),
    [
        ("__path__.append('../common')", False),
        ("import pkgutil\n__path__ = pkgutil.extend_path(__path__, __name__)", False),
        ("import pkgutil\nNAMES = [found.name for found in pkgutil.iter_modules(__path__)]", True),
    ],
)
def test_packages_may_change_where_their_modules_are(tmp_path: Path, package: str, reported: bool) -> None:
    files = {"transforms.py": "from pkg import near\ndef daily(raw): return near.f(raw)\n"}
    found = fingerprint(tmp_path, {**files, "pkg/__init__.py": package, "pkg/near.py": "def f(x): return 1\n"})
    assert found.is_complete == reported


def test_messages_say_which_module_and_what_to_do() -> None:
    parts = {"unseen tools": "not found", "unseen near": "outside", "unseen sys.path": "transforms.py"}
    assert explain(parts, parts, "daily") == (
        "whether `near` changed cannot be determined: it is outside the project; move it there, "
        "install it, or set `version:`",
        "what imports lead to cannot be determined: transforms.py changes `sys.path` or a `__path__`; "
        "put that code into the project, install it, or set `version:`",
        "whether `tools` changed cannot be determined: it is neither in the project nor installed; put it there, "
        "install it, or set `version:`",
    )
    assert explain(parts, {}, "daily") == ()


def test_code_on_the_path_that_is_in_no_package_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "shared"))
    files = {"project/transforms.py": "from space.mod import f\ndef daily(raw): return f(raw)\n"}
    files["shared/space/mod.py"] = "def f(x): return 1\n"
    found = []
    for text in ("def f(x): return 1\n", "def f(x): return 2\n"):
        write(tmp_path, {**files, "shared/space/mod.py": text})
        found.append(fingerprint(tmp_path / "project", {}))
    assert found[0] != found[1]
    assert "space/mod.py:f" in found[0].parts


@pytest.mark.parametrize("taking", ["from rates import RATE", "from rates import *"])
@pytest.mark.parametrize(
    ("setup", "counts"),
    [
        ("import rates\nrates.RATE = 2\n", True),
        ("import rates\nrates.RATE.append(2)\n", True),  # after which it may be another: an estimate on the safe side
        ("import rates\nOTHER = [*rates.RATE, 2]\n", False),
    ],
)
def test_import_order_counts_if_one_changes_another(tmp_path: Path, setup: str, counts: bool, taking: str) -> None:
    files = {"rates.py": "RATE = [1]\n", "setup.py": setup}
    use = "def daily(raw): return RATE\n"
    taken_first = fingerprint(tmp_path, {**files, "transforms.py": f"{taking}\nimport setup as other\n{use}"})
    taken_last = fingerprint(tmp_path, {**files, "transforms.py": f"import setup as other\n{taking}\n{use}"})
    assert (taken_first.hash != taken_last.hash) == counts


@pytest.mark.parametrize("code", ["exec('import rates; rates.RATE = {}')", "eval('rates.TABLE.update(a={})')"])
def test_code_as_text_counts_in_any_module(tmp_path: Path, code: str) -> None:
    files = {
        "transforms.py": "import rates\nimport setup\ndef daily(): return rates.RATE, rates.TABLE\n",
        "rates.py": "RATE = 0\nTABLE = {}\n",
    }
    found = [fingerprint(tmp_path, files | {"setup.py": f"import rates\n{code.format(n)}\n"}) for n in (1, 2)]
    assert found[0].hash != found[1].hash


def test_value_read_before_or_after_a_change_counts(tmp_path: Path) -> None:
    files = {
        "rates.py": "RATE = 1\n",
        "low.py": "import rates\nLOW = rates.RATE\n",
        "setup.py": "import rates\nrates.RATE = 5\n",
    }
    imports = ["from low import LOW\n", "import setup\n"]
    found = [
        fingerprint(tmp_path, files | {"transforms.py": f"{''.join(each)}def daily(): return LOW\n"})
        for each in (imports, imports[::-1])
    ]
    assert found[0].hash != found[1].hash


def test_function_called_before_or_after_a_change_counts(tmp_path: Path) -> None:
    lines = ["LOW = rates.low()\n", "rates.RATE = 2\n"]
    found = [
        fingerprint(
            tmp_path,
            {
                "rates.py": "RATE = 1\ndef low(): return RATE\n",
                "transforms.py": f"import rates\n{''.join(each)}def daily(): return LOW\n",
            },
        )
        for each in (lines, lines[::-1])
    ]
    assert found[0].hash != found[1].hash


def test_reason_names_the_file_of_reordered_classes(tmp_path: Path) -> None:
    classes = ["class First(Step): rate = 1\n", "class Second(Step): rate = 2\n"]
    found = [
        fingerprint(
            tmp_path,
            {
                "steps.py": "class Step: pass\n" + "".join(each),
                "transforms.py": "from steps import Step\ndef daily(): return Step.__subclasses__()\n",
            },
        )
        for each in (classes, classes[::-1])
    ]
    assert explain(found[0].parts, found[1].parts, "daily") == ("statements of steps.py run in another order",)
