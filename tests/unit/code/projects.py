"""Small projects of which fingerprints are taken."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from lakehouse_cli.code.fingerprints import CodeFingerprint
from lakehouse_cli.code.fingerprints.fingerprint import Fingerprinter
from lakehouse_cli.code.source import SourceReader
from lakehouse_cli.model import FunctionRef

#: A module and a package beside the transforms.
PACKAGE = {
    "pkg/__init__.py": "from .impl import clean as clean, other\nfrom . import impl\nROOT = 1\n",
    "pkg/impl.py": "from .deep.inner import add\nSCALE = 10\n"
    "def clean(x): return add(x, SCALE)\ndef other(x): return 'o'\n",
    "pkg/deep/__init__.py": "",
    "pkg/deep/inner.py": "from ... import pkg\ndef add(x, y): return x + y + 100\ndef sub(x): return -200\n",
    "helpers.py": """
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
        """,
}


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, their text dedented."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")


def fingerprint(
    folder: Path, files: Mapping[str, str], function: str = "daily", module: str = "transforms"
) -> CodeFingerprint:
    """Write files, and take the fingerprint of a function beside what is there already."""
    write(folder, files)
    return Fingerprinter(folder, SourceReader(folder)).of(FunctionRef(module, function))
