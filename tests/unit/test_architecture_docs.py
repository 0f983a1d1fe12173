"""The picture of the layers in the docs is the one that import-linter holds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_documented_layers_are_the_enforced_ones() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    enforced = [set(line.split(" | ")) for line in settings["tool"]["importlinter"]["contracts"][0]["layers"]]
    picture = re.split("```\n?", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))[1]
    shown = [re.split(" {2,}", line)[0] for line in picture.splitlines() if not line.startswith(" ")]
    assert [{"__main__"}, *(set(line.split(" · ")) for line in shown)] == enforced
