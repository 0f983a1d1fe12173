"""What changes a fingerprint and what does not: one small project per rule, before and after an edit."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from lakehouse_cli.fingerprints import CodeFingerprint, Fingerprinter
from lakehouse_cli.model import FunctionRef
from lakehouse_cli.source_code import SourceError, SourceReader


def fingerprint(
    folder: Path, files: Mapping[str, str], function: str = "daily", module: str = "transforms"
) -> CodeFingerprint:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return Fingerprinter(folder, SourceReader(folder)).of(FunctionRef(module, function))


def before_and_after(
    folder: Path, code: str, old: str, new: str, others: Mapping[str, str]
) -> tuple[CodeFingerprint, CodeFingerprint]:
    """Fingerprints before and after replacing `old`, which must be in exactly one of the files."""
    files = {"transforms.py": code, **others}
    assert sum(text.count(old) for text in files.values()) == 1
    edited = {name: text.replace(old, new) for name, text in files.items()}
    return fingerprint(folder / "before", files), fingerprint(folder / "after", edited)


HELPERS = """
    '''Helpers.'''
    LIMIT = 3
    NAMES = ['a']

    def clean(x):
        '''Clean it.'''
        return tidy(x)

    def tidy(x):
        return x + 1

    def unused(x):
        return x - 1
    """
PACKAGE = {
    "pkg/__init__.py": "from .impl import clean as clean, other\nfrom . import impl\nROOT = 1\n",
    "pkg/impl.py": "from .deep.inner import add\nSCALE = 10\ndef clean(x): return add(x, SCALE)\ndef other(x): return 'o'\n",
    "pkg/deep/__init__.py": "",
    "pkg/deep/inner.py": "from ... import pkg\ndef add(x, y): return x + y + 100\ndef sub(x): return -200\n",
    "helpers.py": HELPERS,
}
DAILY = "def daily(raw):\n    return raw + X\n"

MATTERS: list[tuple[str, str, str, dict[str, str]]] = [
    # The function itself.
    ("def daily(raw):\n    return raw + 1", "+ 1", "+ 2", {}),
    ("def daily(raw):\n    return raw + 1", "1", "1.0", {}),
    ("def daily(raw):\n    return raw + 1", "1", "True", {}),
    ("def daily(raw):\n    return 'a'", "'a'", "b'a'", {}),
    ("def daily(raw):\n    return raw[1:]", "1:", ":1", {}),
    ("def daily(raw, n=1): return raw", "n=1", "n=2", {}),
    ("def daily(raw, *, n=1): return raw", "n=1", "n=2", {}),
    ("def daily(raw, *, n=1): return raw", "*, n=1", "n=1", {}),
    ("def daily(raw, /, n): return raw", "/, ", "", {}),
    ("import pandas, polars\ndef daily(raw: pandas.DataFrame): return raw", "raw: pandas", "raw: polars", {}),
    ("def daily(raw: 'pl.DataFrame'): return raw\nimport pandas as pd, polars as pl", "'pl.", "'pd.", {}),
    ("def daily(raw) -> int: return raw", "int", "str", {}),
    ("from functools import cache, wraps\n@cache\ndef daily(raw): return raw", "@cache", "@wraps", {}),
    ("def daily(raw):\n    def inner(): return 1\n    return inner()", "1", "2", {}),
    ("def daily(raw):\n    return (lambda y: y + 1)(raw)", "1", "2", {}),
    ("def daily(raw):\n    return f'{raw:>10}'", "10", "11", {}),
    ("def daily(raw):\n    return f'{raw!r}'", "!r", "!s", {}),
    ("def daily(raw):\n    return f'{raw} a'", " a'", " b'", {}),
    ("async def daily(raw):\n    return raw", "async def", "def", {}),
    ("daily = lambda raw: raw + 1", "1", "2", {}),
    ("X = 1\ndef daily(raw):\n    global X\n    X = 2\n    return X", "    global X\n", "", {}),
    ("X = 1\ndef daily(raw):\n    X = 2\n    def f():\n        nonlocal X\n        X = 3\n    f()\n    return X", "nonlocal X", "pass", {}),
    ("X = 1\ndef daily(raw):\n    return X\nX = 2", "X = 2", "", {}),
    # What it reaches in its module.
    ("def daily(raw): return clean(raw)\ndef clean(x): return x + 1", "1", "2", {}),
    ("def daily(raw): return clean(raw)\ndef clean(x): return tidy(x)\ndef tidy(x): return x + 1", "1", "2", {}),
    ("def daily(raw): return a(raw)\ndef a(x): return b(x)\ndef b(x): return a(x) + 1", "1", "2", {}),
    ("def daily(raw): return daily(raw) + h()\ndef h(): return 1", "1", "2", {}),
    ("def deco(f): return lambda x: f(x) + 1\n@deco\ndef daily(raw): return raw", "1", "2", {}),
    ("def deco(n): return lambda f: f\n@deco(1)\ndef daily(raw): return raw", "1", "2", {}),
    ("X = 1\ndef daily(raw, n=X): return raw", "1", "2", {}),
    ("X = Y = 1\ndef daily(raw): return Y", "1", "2", {}),
    ("X, Y = 1, 2\ndef daily(raw): return Y", "1", "3", {}),
    ("X: int = 1\n" + DAILY, "1", "2", {}),
    ("import os\nX = os.path.join('a')\n" + DAILY, "'a'", "'b'", {}),
    ("Y = 1\nX = Y + 1\n" + DAILY, "Y = 1", "Y = 2", {}),
    ("def make(): return 1\nX = make()\n" + DAILY, "1", "2", {}),
    ("X = (lambda: 1)()\n" + DAILY, "1", "2", {}),
    ("X = [y for y in (1, 2) if y > 1]\n" + DAILY, "> 1", "> 0", {}),
    ("if (X := 1) > 0: pass\n" + DAILY, "1", "2", {}),
    ("X = 0\nX += 1\n" + DAILY, "1", "2", {}),
    ("class A:\n    def f(self): return 1\ndef daily(raw): return A().f()", "1", "2", {}),
    ("class B:\n    def f(self): return 1\nclass A(B): pass\ndef daily(raw): return A().f()", "1", "2", {}),
    ("class M(type):\n    def f(cls): return 1\nclass A(metaclass=M): pass\ndef daily(raw): return A.f()", "1", "2", {}),
    ("class A:\n    n: int = 1\ndef daily(raw): return A.n", "int", "str", {}),
    ("X = 1\nclass A:\n    n = X\ndef daily(raw): return A.n", "1", "2", {}),
    ("X = 1\nclass A:\n    X = X\ndef daily(raw): return A.X", "1", "2", {}),
    ("X = 1\nclass A:\n    X = 5\n    def f(self): return X\ndef daily(raw): return A().f()", "1", "2", {}),
    ("X = 1\nclass A:\n    X = 5\n    Y = [X for _ in 'a']\ndef daily(raw): return A.Y", "1", "2", {}),
    ("_A__x = 1\nclass A:\n    def f(self): return __x\ndef daily(raw): return A().f()", "1", "2", {}),
    ("class A:\n    @property\n    def f(self): return 1\n    @f.setter\n    def f(self, x): pass\ndef daily(r): return A()", "1", "2", {}),
    ("A = 1\ndef daily(raw):\n    match raw:\n        case {'a': A}: return A\n        case x if x == 2: return 3", "3", "4", {}),
    ("class P: n = 1\ndef daily(raw):\n    match raw:\n        case P(): return 2", "1", "3", {}),
    ("class P: n = 1\ndef daily(raw):\n    match raw:\n        case P.n: return 2", "1", "3", {}),
    ("def daily(raw):\n    match raw:\n        case None: return 2", "None", "True", {}),
    ("X = 1\ndef daily(raw):\n    return [X for Y in raw]", "1", "2", {}),
    ("X = [1]\ndef daily(raw):\n    return [X for X in X]", "1", "2", {}),
    ("X = 1\ndef daily(raw):\n    try: pass\n    except X: return 2", "1", "3", {}),
    ("X = 1\ndef daily(raw): return raw.query('a > @X')", "1", "2", {}),
    ("X = 1\nQ = 'a > @X'\ndef daily(raw): return raw.query(Q)", "1", "2", {}),
    ("Frame = 'list'\ndef daily(raw: Frame): return raw", "'list'", "'dict'", {}),
    ("Frame = 'list'\ndef daily(raw: 'Frame | None'): return raw", "'list'", "'dict'", {}),
    ("Frame = 'list'\ndef daily(raw: list['Frame']): return raw", "'list'", "'dict'", {}),
    ("from typing import Literal\ndef daily(raw: Literal['a']): return raw", "'a'", "'b'", {}),
    # Values that change after they are bound.
    ("X = {}\nX['a'] = 1\n" + DAILY, "1", "2", {}),
    ("X = {}\nX['a'] = 1\n" + DAILY, "X['a'] = 1\n", "", {}),
    ("X = {}\nX.update(a=1)\n" + DAILY, "1", "2", {}),
    ("X = []\nX += [1]\n" + DAILY, "1", "2", {}),
    ("X = {'a': {}}\nX['a']['b'] = 1\n" + DAILY, "1", "2", {}),
    ("X = {'a': []}\nX['a'].append(1)\n" + DAILY, "1", "2", {}),
    ("X = {'a': 1}\ndel X['a']\n" + DAILY, "del X['a']", "", {}),
    ("X = [1, 2]\nY = X.pop()\n" + DAILY, "Y = X.pop()", "Y = 5", {}),
    ("X = {}\nfor k in 'ab': X[k] = 1\n" + DAILY, "1", "2", {}),
    ("X = {}\nif len('a') > 1: X['a'] = 2\n" + DAILY, "> 1", "> 0", {}),
    ("X = {}\nif len('a') > 1: pass\nelse: X['a'] = 2\n" + DAILY, "else: X['a'] = 2", "", {}),
    ("X = []\nwhile len(X) < 5: X.append(0)\n" + DAILY, "5", "6", {}),
    ("X = [[0]]\nfor row in X: row.append(1)\n" + DAILY, "1", "2", {}),
    ("X = {}\nwith open('f') as f: X['a'] = 1\n" + DAILY, "1", "2", {}),
    ("X = {}\ntry: X['a'] = 1\nexcept KeyError: pass\n" + DAILY, "1", "2", {}),
    ("X = {}\ndef fill(): X['a'] = 1\nfill()\n" + DAILY, "1", "2", {}),
    ("X = {}\ndef fill(): X['a'] = 1\nfill()\n" + DAILY, "fill()\ndef", "def", {}),
    ("X = {}\ndef fill(t): t['a'] = 1\nfill(X)\n" + DAILY, "1", "2", {}),
    ("X = {}\ndef fill(t): t['a'] = 1\nY = fill(X)\n" + DAILY, "1", "2", {}),
    ("X = {}\ndef fill():\n    t = X\n    t['a'] = 1\nfill()\n" + DAILY, "1", "2", {}),
    ("X = 0\ndef fill():\n    global X\n    X = 1\nfill()\n" + DAILY, "1", "2", {}),
    ("X = {}\nY = X\nY['a'] = 1\n" + DAILY, "1", "2", {}),
    ("X = []\ndef add(f):\n    X.append(f)\n    return f\n@add\ndef other(): return 1\n" + DAILY, "1", "2", {}),
    ("X = []\nclass R:\n    def __call__(self, f): X.append(f)\nr = R()\n@r\ndef other(): return 1\n" + DAILY, "1", "2", {}),
    ("class A: n = 0\nA.n = 1\ndef daily(raw): return A.n", "1", "2", {}),
    ("def clean(x): return clean.n\nclean.n = 1\ndef daily(raw): return clean(raw)", "1", "2", {}),
    ("from functools import singledispatch\n@singledispatch\ndef f(x): return 0\n@f.register\ndef _(x: int): return 1\ndef daily(raw): return f(raw)", "1", "2", {}),
    ("class P:\n    kinds = []\n    def __init_subclass__(cls): P.kinds.append(cls)\nclass Q(P): n = 1\ndef daily(raw): return P.kinds", "1", "2", {}),
    ("class M(type):\n    kinds = []\n    def __init__(cls, *_): cls.kinds.append(cls)\nclass P(metaclass=M): pass\nclass Q(P): n = 1\ndef daily(raw): return P.kinds", "1", "2", {}),
    ("class P: pass\nclass Q(P): n = 1\ndef daily(raw): return P.__subclasses__()", "1", "2", {}),
    ("from random import shuffle\nX = [1, 2]\nshuffle(X)\n" + DAILY, "shuffle(X)\ndef", "def", {}),
    ("X = []\nsetattr(X, 'a', 1)\n" + DAILY, "1", "2", {}),
    ("X = 1\nglobals()['X'] = 2\n" + DAILY, "2", "3", {}),
    ("X = 1\nexec('X = 2')\n" + DAILY, "X = 2", "X = 3", {}),
    ("X = {}\n_ = X.update(a=1)\n" + DAILY, "1", "2", {}),
    ("Y = 1\nX = Y\nY = 2\n" + DAILY, "X = Y\nY = 2\n", "Y = 2\nX = Y\n", {}),
    ("T = [1]\nX = len(T)\nT.append(2)\n" + DAILY, "X = len(T)\nT.append(2)\n", "T.append(2)\nX = len(T)\n", {}),
    ("T = [1]\ndef n(): return len(T)\nX = n()\nT.append(2)\n" + DAILY, "X = n()\nT.append(2)\n", "T.append(2)\nX = n()\n", {}),
    ("Y = 1\ndef daily(raw, n=Y): return n\nY = 2\n", "Y = 1\ndef daily(raw, n=Y): return n\nY = 2\n", "Y = 1\nY = 2\ndef daily(raw, n=Y): return n\n", {}),
    ("X = {}\nX['a'] = 1\nX['b'] = 2\n" + DAILY, "X['a'] = 1\nX['b'] = 2\n", "X['b'] = 2\nX['a'] = 1\n", {}),
    # What changes something for everybody.
    ("import pandas as pd\npd.set_option('mode.x', 1)\ndef daily(raw): return raw", "1", "2", {}),
    ("import pandas as pd\npd.options.mode.x = 1\ndef daily(raw): return raw", "1", "2", {}),
    ("import os\nos.environ['TZ'] = 'UTC'\ndef daily(raw): return raw", "UTC", "CET", {}),
    ("import os\ndef setup(): os.environ['TZ'] = 'UTC'\nsetup()\ndef daily(raw): return raw", "UTC", "CET", {}),
    ("import helpers\ndef daily(raw): return raw", "seed(1)", "seed(2)", {"helpers.py": "import random\nrandom.seed(1)"}),
    ("import pandas as pd\n@pd.api.extensions.register_series_accessor('geo')\nclass G: n = 1\ndef daily(raw): return raw", "1", "2", {}),
    # Several definitions of one name.
    ("def f(): return 1\ndef f(): return 2\ndef daily(raw): return f()", "def f(): return 1\n", "", {}),
    ("def f(): return 1\ndef f(): return 2\ndef daily(raw): return f()", "def f(): return 1\ndef f(): return 2", "def f(): return 2\ndef f(): return 1", {}),
    ("import sys\nif sys.platform == 'a':\n    def f(): return 1\nelse:\n    def f(): return 2\ndef daily(raw): return f()", "return 2", "return 3", {}),
    ("import sys\nif sys.platform == 'a':\n    def f(): return 1\nelse:\n    def f(): return 2\ndef daily(raw): return f()", "'a'", "'b'", {}),
    ("try:\n    from helpers import clean\nexcept ImportError:\n    def clean(x): return 9\ndef daily(raw): return clean(raw)", "9", "8", {"helpers.py": HELPERS}),
    ("try:\n    from helpers import clean\nexcept ImportError:\n    def clean(x): return 9\ndef daily(raw): return clean(raw)", "+ 1", "+ 2", {"helpers.py": HELPERS}),
    ("try:\n    import helpers as h\nexcept ImportError:\n    h = None\ndef daily(raw): return h.clean(raw)", "+ 1", "+ 2", {"helpers.py": HELPERS}),
    # Other modules.
    ("import helpers\ndef daily(raw): return helpers.clean(raw)", "+ 1", "+ 2", {"helpers.py": HELPERS}),
    ("import helpers as h\ndef daily(raw): return h.LIMIT", "3", "4", {"helpers.py": HELPERS}),
    ("from helpers import clean\ndef daily(raw): return clean(raw)", "+ 1", "+ 2", {"helpers.py": HELPERS}),
    ("from helpers import clean as c\ndef daily(raw): return c(raw)", "+ 1", "+ 2", {"helpers.py": HELPERS}),
    ("from helpers import clean as c\ndef daily(raw): return c(raw)", "clean as c", "unused as c", {"helpers.py": HELPERS}),
    ("from helpers import clean as daily", "+ 1", "+ 2", {"helpers.py": HELPERS}),
    ("from helpers import clean as daily", "clean as", "unused as", {"helpers.py": HELPERS}),
    ("from h import a as daily", "a as", "b as", {"h.py": "def a(x): return b(x)\ndef b(x): return a(x)"}),
    ("def daily(raw):\n    import helpers\n    return helpers.clean(raw)", "+ 1", "+ 2", {"helpers.py": HELPERS}),
    ("def daily(raw):\n    from helpers import clean as c\n    return c(raw)", "+ 1", "+ 2", {"helpers.py": HELPERS}),
    ("def daily(raw):\n    try:\n        import helpers as h\n    except ImportError:\n        h = None\n    return h.clean(raw)", "+ 1", "+ 2", {"helpers.py": HELPERS}),
    ("class A:\n    import helpers\ndef daily(raw): return A.helpers.clean(raw)", "+ 1", "+ 2", {"helpers.py": HELPERS}),
    ("import helpers\nh = helpers\ndef daily(raw): return h.clean(raw)", "+ 1", "+ 2", {"helpers.py": HELPERS}),
    ("import helpers\nclean = helpers.clean\ndef daily(raw): return clean(raw)", "+ 1", "+ 2", {"helpers.py": HELPERS}),
    ("from pkg import clean\ndef daily(raw): return clean(raw)", "100", "101", PACKAGE),
    ("from pkg import clean\ndef daily(raw): return clean(raw)", "10\n", "11\n", PACKAGE),
    ("from pkg import clean\ndef daily(raw): return clean(raw)", "clean as clean", "other as clean", PACKAGE),
    ("import pkg\ndef daily(raw): return pkg.clean(raw)", "100", "101", PACKAGE),
    ("import pkg\ndef daily(raw): return pkg.impl.clean(raw)", "100", "101", PACKAGE),
    ("import pkg.deep.inner\ndef daily(raw): return pkg.deep.inner.add(raw, 1)", "100", "101", PACKAGE),
    ("import pkg.deep.inner as i\ndef daily(raw): return i.add(raw, 1)", "100", "101", PACKAGE),
    ("from pkg.deep import inner\ndef daily(raw): return inner.add(raw, 1)", "100", "101", PACKAGE),
    ("from pkg import ROOT\ndef daily(raw): return ROOT", "ROOT = 1", "ROOT = 2", PACKAGE),
    ("from space.mod import f\ndef daily(raw): return f()", "1", "2", {"space/mod.py": "def f(): return 1"}),
    ("import a\ndef daily(raw): return a.f()", "1", "2", {"a.py": "import b\ndef f(): return b.g()\ndef h(): return 1", "b.py": "import a\ndef g(): return a.h()"}),
    ("import helpers\nimport patches\ndef daily(raw): return helpers.clean(raw)", "'p'", "'q'", {"helpers.py": HELPERS, "patches.py": "import helpers\nhelpers.clean = lambda x: 'p'"}),
    ("import helpers\nhelpers.LIMIT = 77\ndef daily(raw): return helpers.LIMIT", "77", "78", {"helpers.py": HELPERS}),
    ("from helpers import NAMES\nNAMES.append('z')\ndef daily(raw): return NAMES", "'z'", "'y'", {"helpers.py": HELPERS}),
    ("import helpers, fill\ndef daily(raw): return helpers.NAMES", "'z'", "'y'", {"helpers.py": HELPERS, "fill.py": "from helpers import NAMES as n\nn.append('z')"}),
    ("import helpers\nsetattr(helpers, 'LIMIT', 77)\ndef daily(raw): return helpers.LIMIT", "77", "78", {"helpers.py": HELPERS}),
    ("import helpers\nhelpers.extra = 77\ndef daily(raw): return helpers.extra", "77", "78", {"helpers.py": HELPERS}),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from kinds import Frame\ndef daily(raw: 'Frame'): return raw", "'list'", "'dict'", {"kinds.py": "Frame = 'list'"}),
    # What cannot be followed.
    ("import helpers\ndef daily(raw): return getattr(helpers, raw.name)()", "- 1", "- 2", {"helpers.py": HELPERS}),
    ("import helpers\ndef daily(raw): return vars(helpers)['unused']()", "- 1", "- 2", {"helpers.py": HELPERS}),
    ("import helpers\ndef daily(raw): return helpers.__dict__['unused']()", "- 1", "- 2", {"helpers.py": HELPERS}),
    ("from helpers import *\ndef daily(raw): return unused(raw)", "- 1", "- 2", {"helpers.py": HELPERS}),
    ("from helpers import *\ndef sum(): return 0\ndef daily(raw): return max(raw)", "1", "2", {"helpers.py": "def max(x): return 1"}),
    ("from helpers import *", "daily(x): return 1", "daily(x): return 2", {"helpers.py": "def daily(x): return 1"}),
    ("from a import *\ndef daily(raw): return f()", "1", "2", {"a.py": "from b import *", "b.py": "def f(): return 1"}),
    ("import importlib\ndef daily(raw): return importlib.import_module('helpers').unused(raw)", "- 1", "- 2", {"helpers.py": HELPERS}),
    ("from importlib import import_module\ndef daily(raw): return import_module(raw.name).unused(raw)", "- 1", "- 2", {"helpers.py": HELPERS}),
    ("def daily(raw): return __import__('helpers').unused(raw)", "- 1", "- 2", {"helpers.py": HELPERS}),
    ("def daily(raw): return __import__('helpe' + 'rs').unused(raw)", "- 1", "- 2", {"helpers.py": HELPERS}),
    ("import sys, helpers\ndef daily(raw): return sys.modules['helpers'].unused(raw)", "- 1", "- 2", {"helpers.py": HELPERS}),
    ("def daily(raw): return eval(raw.text)\ndef other(): return 1", "1", "2", {}),
    ("def daily(raw): return globals()[raw.text]()\ndef other(): return 1", "1", "2", {}),
    ("def daily(raw): return daily.__globals__[raw.text]()\ndef other(): return 1", "1", "2", {}),
    ("import helpers\ndef daily(raw): return helpers.anything()", "'g'", "'h'", {"helpers.py": "def __getattr__(name): return lambda: 'g'"}),
    ("def daily(raw): return daily.__doc__\n'''a'''", "def daily(raw): return", "def daily(raw):\n    'doc'\n    return", {}),
    ("'''a'''\ndef daily(raw): return __doc__", "'''a'''", "'''b'''", {}),
    ("import pandas as pd\nX = 1\ndef daily(raw): return pd.eval('X + 2')", "1", "3", {}),
]

IGNORED: list[tuple[str, str, str, dict[str, str]]] = [
    ("def daily(raw):\n    return raw + 1", "raw + 1", "(raw  +  # why\n            1)", {}),
    ("def daily(raw):\n    'doc'\n    return raw", "'doc'", "'other'", {}),
    ("def daily(raw):\n    'doc'\n    return raw", "    'doc'\n", "", {}),
    ("'''doc'''\ndef daily(raw): return raw", "'''doc'''", "", {}),
    ("class A:\n    'doc'\n    n = 1\ndef daily(raw): return A.n", "'doc'", "'other'", {}),
    ("def daily(raw):\n    x = 1\n    return x", "x = 1", "x: int = 1", {}),
    ("X = 1\n" + DAILY, "X = 1", "X: int = 1", {}),
    ("X = 1\n" + DAILY, "X = 1", "X = 1\n'what X is'", {}),
    ("def daily(raw):\n    pass\n    return 'a' 'b'", "    pass\n    return 'a' 'b'", "    return \"ab\"", {}),
    ("def daily(raw): return raw\ndef other(): return 1", "return 1", "return 2", {}),
    ("def daily(raw): return raw\ndef other(): return 1", "def other(): return 1", "", {}),
    ("def f(): return 1\ndef g(): return 2\ndef daily(raw): return f() + g()", "def f(): return 1\ndef g(): return 2", "def g(): return 2\ndef f(): return 1", {}),
    ("A = 1\nB = 2\ndef daily(raw): return A + B", "A = 1\nB = 2", "B = 2\nA = 1", {}),
    ("import os\nimport sys\ndef daily(raw): return os.sep, sys.path", "import os\nimport sys", "import sys, os", {}),
    ("import pandas as pd\ndef daily(raw): return raw", "import pandas as pd\n", "import numpy as pd, json\n", {}),
    ("import pandas as pd\ndef daily(raw): return pd.concat(raw)", "as pd\ndef daily(raw): return pd.", "as p\ndef daily(raw): return p.", {}),
    ("import helpers\ndef daily(raw): return helpers.clean(raw)", "import helpers\ndef daily(raw): return helpers.clean", "from helpers import clean as c\ndef daily(raw): return c", {"helpers.py": "def clean(x): return 1"}),
    ("def daily(raw):\n    import os as o\n    return o.sep", "os as o\n    return o.", "os as p\n    return p.", {}),
    ("import pandas as pd\ndef daily(raw: pd.DataFrame): return raw", "raw: pd.DataFrame", "raw: 'pd.DataFrame'", {}),
    ("import pandas as pd\ndef daily(raw: pd.DataFrame): return raw", "import pandas", "from __future__ import annotations\nimport pandas", {}),
    ("import pandas as pd\ndef daily(raw: 'pd.DataFrame'): return raw", "import pandas as pd\n", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas as pd\n", {}),
    ("import helpers\ndef daily(raw): return helpers.clean(raw)", "- 1", "- 2", {"helpers.py": HELPERS}),
    ("import helpers\ndef daily(raw): return helpers.clean(raw)", "3", "4", {"helpers.py": HELPERS}),
    ("from pkg import clean\ndef daily(raw): return clean(raw)", "'o'", "'p'", PACKAGE),
    ("from pkg import clean\ndef daily(raw): return clean(raw)", "200", "201", PACKAGE),
    ("from pkg import clean\ndef daily(raw): return clean(raw)", "ROOT = 1", "ROOT = 2", PACKAGE),
    ("import importlib\ndef daily(raw): return importlib.import_module('helpers')", "'z'", "'y'", {"helpers.py": HELPERS, "far.py": "X = 'z'"}),
    # Names that mean something else here.
    ("X = 1\ndef daily(X): return X", "1", "2", {}),
    ("X = 1\ndef daily(raw):\n    X = raw\n    return X", "1", "2", {}),
    ("X = 1\ndef daily(raw): return [X for X in raw]", "1", "2", {}),
    ("X = 1\ndef daily(raw): return {X: 0 for X in raw if X}", "1", "2", {}),
    ("X = 1\ndef daily(raw): return (lambda X: X)(raw)", "1", "2", {}),
    ("X = 1\ndef daily(raw):\n    X = 5\n    def f(): return X\n    return f()", "1", "2", {}),
    ("X = 1\ndef daily(raw):\n    for X in raw: return X", "1", "2", {}),
    ("X = 1\ndef daily(raw):\n    with raw as X: return X", "1", "2", {}),
    ("X = 1\ndef daily(raw):\n    try: pass\n    except OSError as X: return X", "1", "2", {}),
    ("X = 1\ndef daily(raw):\n    match raw:\n        case [X, *_]: return X", "1", "2", {}),
    ("X = 1\ndef daily(raw):\n    if (X := raw): return X", "1", "2", {}),
    ("X = 1\ndef daily(raw):\n    if any((X := y) for y in raw): return X", "1", "2", {}),
    ("X = 1\ndef daily(raw):\n    from os import sep as X\n    return X", "1", "2", {}),
    ("X = 1\nclass A:\n    X = 5\n    Y = X\ndef daily(raw): return A.Y", "= 1", "= 2", {}),
    ("X = 1\ndef daily(raw): return raw.X, raw(X=2)", "1", "3", {}),
    # What importing the module does not do, or does to others.
    ("def daily(raw): return raw\nif __name__ == '__main__':\n    print(daily(1))", "1", "2", {}),
    ("X = 1\nprint(X, 'loaded')\n" + DAILY, "loaded", "here", {}),
    ("X = {'a': 1}\nY = sorted(X), X.get('b'), len(X)\n" + DAILY, "'b'", "'c'", {}),
    ("X = {'a': 1}\nY = [x.upper() for x in X]\n" + DAILY, "upper", "lower", {}),
    ("import pandas as pd\nX = {'a': 1}\nY = pd.Series(X, name='y')\n" + DAILY, "'y'", "'z'", {}),
    ("Y = {}\nY['a'] = 1\nX = 3\n" + DAILY, "1", "2", {}),
    ("R = []\ndef add(f):\n    R.append(f)\n    return f\n@add\ndef other(): return 1\ndef daily(raw): return raw", "1", "2", {}),
    ("import re\nX = re.compile('a')\nY = re.compile('b')\n" + DAILY, "'b'", "'c'", {}),
    ("X = 'a'\ndef load(x): return x\nY = load(X, 7)\n" + DAILY, "7", "8", {}),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import noisy\ndef daily(raw): return raw", "1", "2", {"noisy.py": "import random\nrandom.seed(1)"}),
    ("def daily(raw): return 'mail@X.org'\nX = 1 if False else 2", "else 2", "else  2", {}),
]


@pytest.mark.parametrize(("code", "old", "new", "others"), MATTERS)
def test_edits_that_matter(tmp_path: Path, code: str, old: str, new: str, others: dict[str, str]) -> None:
    before, after = before_and_after(tmp_path, code, old, new, others)
    assert before.hash != after.hash
    assert before.parts != after.parts


@pytest.mark.parametrize(("code", "old", "new", "others"), IGNORED)
def test_edits_that_do_not(tmp_path: Path, code: str, old: str, new: str, others: dict[str, str]) -> None:
    before, after = before_and_after(tmp_path, code, old, new, others)
    assert before.parts == after.parts
    assert before.hash == after.hash
