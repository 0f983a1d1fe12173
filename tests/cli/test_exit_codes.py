"""docs/exit-codes.md says what the command line does."""

from __future__ import annotations

import re
from pathlib import Path

from lakehouse_cli.cli.commands import NAMES
from lakehouse_cli.cli.exit_codes import MEANINGS
from tests.conftest import Cli, ProjectFolder

DOCS = Path(__file__).parents[2] / "docs" / "exit-codes.md"


def test_documented_exit_codes_are_those_there_are(project: ProjectFolder, cli: Cli) -> None:
    text = DOCS.read_text(encoding="utf-8")
    codes = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| ([^|]+) \|", text, re.MULTILINE)}
    assert codes == MEANINGS
    shown = cli("--help").out
    assert "docs/exit-codes.md" in shown
    assert all(f"  {code:<3}  {meaning}\n" in shown for code, meaning in MEANINGS.items())
    by_command = text.partition("## By command")[2]
    named = re.findall(r"`([a-z]+)(?: show)?`", " ".join(re.findall(r"^\| (`[^|]+) \|", by_command, re.MULTILINE)))
    assert set(named) <= {*NAMES}

    assert cli("plan", "--exit-code").code == 4
    assert cli("run").code == cli("plan", "--exit-code").code == cli("check").code == cli("diff").code == 0
    assert cli("run", "nothing").code == cli("run", "-e", "nowhere").code == cli("run", "--flag").code == 2
    project.write("data/orders.csv", "customer,amount\n007,x\n")
    assert cli("run").code == cli("check", "orders").code == 1
    project.edit("lakehouse.yaml", "key: [customer]", "kee: [customer]")
    assert cli("run").code == cli("validate").code == cli("ls").code == 3
