"""What comes from packages as a whole: star imports, ``__all__``, modules as attributes of their packages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.code.projects import fingerprint

STEPS = "def plus(x):\n    return x + 1\n"
USE = "def daily(raw): return steps.plus(raw)\n"


def is_seen(folder: Path, files: Mapping[str, str], module: str = "transforms", edited: str = "clean/steps.py") -> bool:
    """Whether a change of a number in a module of the package changes the fingerprint."""
    before = fingerprint(folder, files, module=module)
    return fingerprint(folder, {edited: files[edited].replace("1", "2")}, module=module).hash != before.hash


@pytest.mark.parametrize(
    "package",
    [
        "__all__ = ['steps']",
        "__all__: list[str] = []\n__all__ += ('steps',)",
        "__all__ = [] + ['steps']",
        # Not to be read off:
        "__all__ = ['st' + 'eps']",
        "__all__ = []\n__all__.append('steps')",
        "from pathlib import Path\n__all__ = [path.stem for path in Path(__file__).parent.glob('s*.py')]",
        "globals()['__a' + 'll__'] = ['steps']",
        "def __getattr__(name): return ['steps']",
        # Without `__all__`, what was imported before.
        "import clean.steps",
        "from .steps import plus",
    ],
)
def test_modules_that_a_star_import_binds(tmp_path: Path, package: str) -> None:
    files = {"clean/__init__.py": package, "clean/steps.py": STEPS, "transforms.py": f"from clean import *\n{USE}"}
    assert is_seen(tmp_path, files)


def test_a_star_import_of_the_own_package(tmp_path: Path) -> None:
    files = {"clean/__init__.py": "__all__ = ['steps']", "clean/steps.py": STEPS}
    files["clean/daily.py"] = f"from . import *\n{USE}"
    assert is_seen(tmp_path, files, "clean.daily")


@pytest.mark.parametrize("use", ["import mid\ndef daily(raw): return mid.steps.plus(raw)", f"from mid import *\n{USE}"])
def test_a_star_import_by_way_of_another_module(tmp_path: Path, use: str) -> None:
    files = {"clean/__init__.py": "__all__ = ['steps']", "clean/steps.py": STEPS, "mid.py": "from clean import *"}
    assert is_seen(tmp_path, {**files, "transforms.py": use})


def test_module_that_hides_a_definition_or_builtin(tmp_path: Path) -> None:
    files = {"clean/__init__.py": "__all__ = ['sum', 'other']", "clean/sum.py": STEPS, "clean/other.py": STEPS}
    files["transforms.py"] = (
        "class other: plus = abs\nfrom clean import *\ndef daily(x): return sum.plus(other.plus(x))"
    )
    assert is_seen(tmp_path, files, edited="clean/sum.py")
    assert is_seen(tmp_path, files, edited="clean/other.py")


@pytest.mark.parametrize(("listed", "seen"), [("['side']", True), ("['si' + 'de']", True), ("['steps']", False)])
def test_code_of_a_star_imported_module_counts(tmp_path: Path, listed: str, seen: bool) -> None:
    files = {"clean/__init__.py": f"__all__ = {listed}", "clean/steps.py": STEPS, "rates.py": "RATE = 0\n"}
    files["clean/side.py"] = "import rates\nrates.RATE = 1\n"
    files["transforms.py"] = "import rates\nfrom clean import *\ndef daily(raw): return rates.RATE\n"
    assert is_seen(tmp_path, files, edited="clean/side.py") == seen


def test_unparsable_star_imported_module_is_no_problem(tmp_path: Path) -> None:
    files = {
        "clean/__init__.py": "__all__ = ['st' + 'eps']",
        "clean/steps.py": STEPS,
        "clean/template.py": "def {{f}}:",
    }
    assert is_seen(tmp_path, {**files, "transforms.py": f"from clean import *\n{USE}"})


@pytest.mark.parametrize(
    "use",
    [
        "def daily(raw): return getattr(clean, raw.name).plus(raw)",
        "def daily(raw): return vars(clean)[raw.name].plus(raw)",
        "def daily(raw):\n    package = clean\n    return package.steps.plus(raw)",
        "PACKAGES = [clean]\ndef daily(raw): return PACKAGES[0].steps.plus(raw)",
        "def get(package): return package.steps\ndef daily(raw): return get(clean).plus(raw)",
    ],
)
@pytest.mark.parametrize("package", ["clean/__init__.py", "clean/other.py"])
def test_package_as_folder_with_or_without_init_file(tmp_path: Path, use: str, package: str) -> None:
    files = {package: "", "clean/steps.py": STEPS, "transforms.py": f"import clean, clean.steps\n{use}\n"}
    assert is_seen(tmp_path, files)


def test_modules_of_a_passed_package_count_by_name(tmp_path: Path) -> None:
    files = {"clean/__init__.py": "", "clean/steps.py": STEPS, "clean/other.py": STEPS}
    files["common.py"] = "import clean.steps, clean.other\nLIMIT = 3\n"
    files["transforms.py"] = f"from common import *\n{USE.replace('steps', 'clean.steps')}"
    assert is_seen(tmp_path, files)
    assert not is_seen(tmp_path, files, edited="clean/other.py")


@pytest.mark.parametrize("bind", ["setattr(helpers, 'plus', fast)", "DONE = setattr(get(), 'plus', fast)"])
@pytest.mark.parametrize(
    "found",
    [
        "import helpers",
        "import sys\nhelpers = sys.modules['helpers']",
        "import importlib\nhelpers = importlib.import_module('helpers')",
    ],
)
def test_names_bound_through_another_module_count(tmp_path: Path, found: str, bind: str) -> None:
    files = {"helpers.py": "def plus(x): return x\n"}
    files["side.py"] = f"{found}\ndef get(): return helpers\ndef fast(x): return 1\n{bind}\n"
    files["transforms.py"] = "import helpers, side\ndef daily(raw): return helpers.plus(raw)\n"
    assert is_seen(tmp_path, files, edited="side.py")


@pytest.mark.parametrize(
    "find",
    ["import helpers\n    module = helpers", "import importlib\n    module = importlib.import_module('helpers')"],
)
def test_modules_changed_under_an_alias_count(tmp_path: Path, find: str) -> None:
    files = {"helpers.py": "def plus(x): return x\n"}
    files["side.py"] = f"def fast(x): return 1\ndef put():\n    {find}\n    setattr(module, 'plus', fast)\nput()\n"
    files["transforms.py"] = "import helpers, side\ndef daily(raw): return helpers.plus(raw)\n"
    assert is_seen(tmp_path, files, edited="side.py")


def test_module_imported_by_name_is_followed(tmp_path: Path) -> None:
    files = {"plug.py": "import side\nRATES = {}\nRATES['a'] = 1\n", "side.py": "import os\nos.environ['A'] = '1'\n"}
    files["transforms.py"] = "import importlib\ndef daily(raw): return importlib.import_module('plug').RATES\n"
    assert is_seen(tmp_path, files, edited="plug.py")
    assert is_seen(tmp_path, files, edited="side.py")


def test_name_that_a_function_binds_in_another_module(tmp_path: Path) -> None:
    files = {"helpers.py": "LIMIT = 0\n", "side.py": "import helpers\ndef put(): helpers.LIMIT = 1\nDONE = put()\n"}
    files["transforms.py"] = "import helpers, side\ndef daily(raw): return helpers.LIMIT\n"
    assert is_seen(tmp_path, files, edited="side.py")
