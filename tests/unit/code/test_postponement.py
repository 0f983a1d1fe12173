"""Fingerprints that may be taken later: nothing comes of taking one that a plan would have to report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lakehouse_cli.code.fingerprints.fingerprint import Fingerprinter
from lakehouse_cli.code.source import SourceReader
from lakehouse_cli.model import FunctionRef
from tests.cases import each_case
from tests.unit.code.projects import PACKAGE, write
from tests.unit.code.test_fingerprints_edits import cases, sides_of

# Modules of a project that cannot be read or compiled, which a transform need not import at its top to lead to them.
BROKEN = {
    **PACKAGE,
    "broken.py": "def (",
    "pkg/broken.py": "def (",
    "box/__init__.py": "SIZE = 1\ndef scale(x): return x * SIZE\n",
    "box/SIZE.py": "def (",
    "space/broken.py": "def (",
    "lib/tools.py": "def (",
    "uncompiled.py": "def f(x):\n    nonlocal x\n",
    "holder.py": "try:\n    import broken\nexcept SyntaxError:\n    pass\ndef f(x): return x\n",
}


def waits(folder: Path, files: Mapping[str, str]) -> bool:
    """Write files, and judge the transforms; where they may wait, take all of them."""
    write(folder, files)
    found = Fingerprinter(folder, SourceReader(folder)).packages_of_plain("transforms")
    if found is None:
        return False
    reader = SourceReader(folder)
    fingerprinter = Fingerprinter(folder, reader)
    for name in reader.module("transforms").functions:
        taken = fingerprinter.of(FunctionRef("transforms", name))  # raises nothing
        assert taken.reads == ()
    return True


def test_programs_that_may_wait_report_nothing(tmp_path: Path) -> None:
    programs = [sides_of(case)[0] for case in cases("matters")]
    waiting = [number for number, files in enumerate(programs) if waits(tmp_path / str(number), files)]
    assert 0 < len(waiting) < len(programs)


@each_case(
    "code",
    [
        "import pandas as pd\ndef daily(x: pd.DataFrame) -> pd.DataFrame: return x.assign(a=pd.to_datetime(x['a']))\n",
        "LIMIT = 3\ndef tidy(x): return x[:LIMIT]\ndef daily(x): return tidy(x)\n",
        "from helpers import clean, LIMIT\ndef daily(x): return clean(x, LIMIT)\n",
        "import helpers\ndef daily(x): return helpers.clean(x, helpers.LIMIT)\n",
        "import numpy as np, math\ndef daily(x): return x.query('amount > @np.e').pipe(lambda y: math.floor(y))\n",
    ],
)
def test_plain_code_may_wait(tmp_path: Path, code: str) -> None:
    assert waits(tmp_path, {**BROKEN, "transforms.py": code})


@each_case(
    "code",
    [
        "from broken import f\ndef daily(x): return f(x)\n",
        "from uncompiled import f\ndef daily(x): return f(x)\n",
        "def daily(x):\n    nonlocal x\n",
        "def daily(x):\n    import broken\n    return broken.f(x)\n",
        "def daily(x):\n    from broken import f; return f(x)\n",
        "import importlib\ndef daily(x): return importlib.import_module('broken').f(x)\n",
        "from importlib import import_module as load\ndef daily(x): return load('broken').f(x)\n",
        "def daily(x): return __import__('broken').f(x)\n",
        "def daily(x): return eval('broken.f(x)')\n",
        "def daily(x): return daily.__globals__['f'](x)\n",
        "import sys\ndef daily(x): return sys.modules['broken'].f(x)\n",
        "from sys import modules\ndef daily(x): return modules['broken'].f(x)\n",
        "from unittest.mock import patch\ndef daily(x): return patch('broken.f')(x)\n",
        "from pandas.compat import _optional\n"
        "def daily(x): return _optional.import_optional_dependency('broken').f(x)\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from broken import Frame\n"
        "def daily(x: Frame): return x\n",
        "import pkg\ndef daily(x): return pkg.broken.f(x)\n",
        "from box import scale\ndef daily(x): return scale(x)\n",
        "import space\ndef daily(x): return space.broken.f(x)\n",
        "def daily(x):\n    import space\n    return space.broken.f(x)\n",
        "import tools\ndef daily(x): return tools.f(x)\n",
        "import holder\ndef daily(x): return holder.broken.f(x)\n",
        "from holder import f\ndef daily(x): return f(x)\n",
        "from helpers import *\ndef daily(x): return clean(x)\n",
        "from inspect import *\ndef daily(x): return getmodule(x).f(x)\n",
        "if __name__ == '__main__':\n    def daily(x): return x\n",
        "from site import addsitedir\naddsitedir('tools')\ndef daily(x): return x\n",
        "def daily(x): return open('x.csv').read()\n",
        "from os import getenv\ndef daily(x): return getenv('LIMIT')\n",
    ],
)
def test_code_with_more_to_it_does_not_wait(tmp_path: Path, code: str) -> None:
    assert not waits(tmp_path, {**BROKEN, "transforms.py": code})
