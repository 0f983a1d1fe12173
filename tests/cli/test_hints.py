"""Hints lead on: what each says is done, and the next command gets further."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Invoked, ProjectFolder

Cli = Callable[..., Invoked]


def declare(folder: ProjectFolder, tables: str, *, top: str = "") -> None:
    """Write a project of these tables, each in a line of flow style."""
    lines = [f"  {line.strip()}" for line in tables.strip().splitlines()]
    folder.write("lakehouse.yaml", f"name: hints\nmodule: transforms\n{top}tables:\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("header", "declared", "written", "named"),
    [
        ("a\xa0", "a", "a\\xa0", "U+00A0 no-break space"),
        ("a\u200b", "a", "a\\u200b", "U+200B zero width space"),
        ("\ufeff\ufeffa", "a", "\\ufeffa", "U+FEFF byte order mark"),
        ("u\u0308ber", "über", "u\\u0308ber", "U+0308 combining diaeresis"),
    ],
)
def test_invisible_characters_of_a_header_are_shown(
    folder: ProjectFolder, cli: Cli, header: str, declared: str, written: str, named: str
) -> None:
    folder.write("data/s.csv", f"{header},b\n1,2\n")
    declare(folder, f's: {{kind: source, columns: {{"{declared}": int64}}}}')
    refused = cli("show", "s")
    assert refused.code == 1
    assert f'the file calls it "{written}" ({named})' in refused.err

    declare(folder, f's: {{kind: source, columns: {{"{written}": int64}}}}')
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_invisible_characters_of_a_declared_name_are_shown(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "über\n1\n")
    declare(folder, 's: {kind: source, columns: {"u\\u0308ber": int64}}')
    refused = cli("show", "s")
    assert "lacks column `u\\u0308ber`" in refused.err
    assert "did you mean `über`?" in refused.err
