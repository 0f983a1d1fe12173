"""`%lakehouse` in a notebook: `%load_ext lakehouse_cli`, then `%lakehouse run daily`."""

from __future__ import annotations

import shlex
from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Add the magic; IPython calls this."""

    def lakehouse(line: str) -> None:
        from lakehouse_cli.cli.main import invoke

        invoke(shlex.split(line))

    shell.register_magic_function(lakehouse, "line")
