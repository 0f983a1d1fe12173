"""Notes of `validate` and `plan` on transforms that use more than their inputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import on_a_terminal
from tests.conftest import Cli, ProjectFolder

MODULE = """\
import os
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent


def totals(orders):
    {}
    return orders


def best(totals):
    return totals
"""


@pytest.fixture
def reading(project: ProjectFolder) -> Callable[[str, str], None]:
    """Have `totals` do something, with these keys of its own."""

    def write(statement: str, keys: str = "") -> None:
        project.write("transforms.py", MODULE.format(statement))
        project.declare(f"""
            orders: {{kind: source}}
            totals: {{{keys}}}
            best: {{}}
            """)

    return write


def notes(cli: Cli) -> list[str]:
    """What `validate` notes, and the plan as well; neither ends otherwise for it."""
    validated = cli("validate", "-o", "json")
    planned = cli("plan", "-o", "json")
    assert (validated.code, planned.code, cli("validate").code) == (0, 0, 0)
    assert (validated.err, planned.err) == ("", "")
    found = [note for table in planned.json["tables"] for note in table["notes"]]
    assert found == validated.json["notes"]
    text = cli("validate").out
    assert [line for line in text.splitlines() if line.startswith("note:")] == [f"note: {each}" for each in found]
    assert all(f"\nnote: {each}\n" in cli("plan").out for each in found)
    return found


@pytest.mark.parametrize(
    ("statement", "reported"),
    [
        (
            'os.environ["MARKET"]',
            "reads `MARKET` from the environment (transforms.py:10): list it under `uses: {env: [MARKET]}`",
        ),
        ("dict(os.environ)", "reads the environment (transforms.py:10): list its variables under `uses.env`"),
        ('open("a.json")', "opens `a.json` (transforms.py:10): list it under `uses: {files: [a.json]}`"),
        (
            'pd.read_csv(HERE / "lookups" / "a.csv")',
            "opens `lookups/a.csv` (transforms.py:10): list it under `uses: {files: [lookups/a.csv]}`",
        ),
        ("open(orders.name)", "opens a file (transforms.py:10): list its files under `uses.files`"),
        (
            'open("a"), os.getenv("A"), os.getenv("B"), os.getenv("C"), os.getenv("D")',
            "reads `A`, `B`, `C` and 1 more from the environment (transforms.py:10) and opens `a` (transforms.py:10): "
            "list them under `uses: {env: [A, B, C, D], files: [a]}`",
        ),
        (
            'open("/etc/hosts")',
            "opens `/etc/hosts` (transforms.py:10): declare it as a source table, or set `refresh: 1d`",
        ),
        (
            'pd.read_csv("https://example.org/a.csv")',
            "reads from the network (transforms.py:10): set `refresh: 1d`, or another age",
        ),
        (
            'open("/etc/hosts"), pd.read_csv("https://example.org/a.csv")',
            "opens `/etc/hosts` (transforms.py:10) and reads from the network (transforms.py:10): "
            "set `refresh: 1d`, or another age",
        ),
        (
            'open("a"), open("/etc/hosts")',
            "opens `a`, `/etc/hosts` (transforms.py:10): "
            "set `uses: {files: [a]}`, and set `refresh: 1d`, or another age",
        ),
        (
            'os.environ["A"], open(orders.name)',
            "reads `A` from the environment (transforms.py:10) and opens a file (transforms.py:10): "
            "set `uses: {env: [A]}`, and list its files under `uses.files`",
        ),
        (
            'open("a"), open("b"), open(orders.name), open(orders.id)',
            "opens `a`, `b` (transforms.py:10): "
            "list them under `uses: {files: [a, b]}`, and add what is read at transforms.py:10",
        ),
        (
            'os.environ["A"], os.environ[orders.name]',
            "reads `A` from the environment (transforms.py:10): "
            "list it under `uses: {env: [A]}`, and add what is read at transforms.py:10",
        ),
        (
            'os.environ["A B"]',
            "reads `A B` from the environment (transforms.py:10): set `refresh: 1d`, or another age",
        ),
    ],
)
def test_note_names_place_and_key(reading: Callable[..., None], cli: Cli, statement: str, reported: str) -> None:
    reading(statement)
    assert notes(cli) == [f"`totals` {reported}"]


@pytest.mark.parametrize(
    ("keys", "noted"),
    [
        ("uses: {env: [MARKET]}", ["opens `a.json`"]),
        ("uses: {files: [a.json]}", ["reads `MARKET` from the environment"]),
        ("uses: {env: [LEVEL], files: [a.json]}", ["reads `MARKET` from the environment"]),
        ("uses: {env: [MARKET], files: [b.json]}", ["opens `a.json`"]),
        ('uses: {env: [MARKET], files: ["*.json"]}', []),
        ("uses: {env: [], files: []}", []),
        ("uses: {}", []),
        ("refresh: 1d", []),
        ("version: '1'", []),
    ],
)
def test_key_that_covers_it_silences_the_note(
    reading: Callable[..., None], project: ProjectFolder, cli: Cli, keys: str, noted: list[str]
) -> None:
    project.write("a.json", "{}")
    project.write("b.json", "{}")
    reading('os.environ["MARKET"], open("a.json")', keys)
    found = notes(cli)
    assert len(found) == len(noted)
    assert all(part in note for part, note in zip(noted, found, strict=True))


def test_following_the_hint_ends_the_note(reading: Callable[..., None], project: ProjectFolder, cli: Cli) -> None:
    project.write("lookups/a.json", "{}")
    reading('os.environ["MARKET"], (HERE / "lookups/a.json").read_text()')
    (note,) = notes(cli)
    key = note.rpartition(" under `")[2].rstrip("`")
    assert key == "uses: {env: [MARKET], files: [lookups/a.json]}"
    reading('os.environ["MARKET"], (HERE / "lookups/a.json").read_text()', key)
    assert notes(cli) == []


NAMES = [
    *(
        "a, b.json",
        "[x].json",
        "{y}.json",
        "a: b.json",
        "a #b.json",
        "#a",
        "-",
        "- a",
        "a*b.json",
        "what?.json",
        "a[1].json",
    ),
    *(
        "it's.json",
        '"a".json',
        "null",
        "true",
        "1",
        "0x1f",
        "a b",
        " a",
        "a ",
        "@a",
        "`a`",
        "%a",
        "&a",
        "!a",
        "|a",
        ">a",
    ),
    *("ü.json", "表.json", ".a", "a,b", "a:b", "**", "x/[y]/a*.json", "=", "<<", "?", ":"),
]


@pytest.mark.parametrize("name", NAMES)
def test_pasted_hint_works_for_any_name(
    reading: Callable[..., None], project: ProjectFolder, cli: Cli, name: str
) -> None:
    project.write(name, "1")
    project.write("x/other.json", "1")
    statement = f"(HERE / {name!r}).read_text()"
    reading(statement)
    (note,) = notes(cli)
    _, _, key = note.partition(" list it under `")
    assert key.endswith("`")
    reading(statement, key[:-1])
    assert notes(cli) == []
    assert cli("run").code == 0
    project.write("x/other.json", "2")
    assert cli("plan", "totals", "--exit-code").code == 0
    project.write(name, "2")
    assert cli("plan", "totals", "--exit-code").code == 4


def test_file_that_cannot_be_listed_asks_for_an_age(reading: Callable[..., None], cli: Cli) -> None:
    reading(r'open("a\tb")')
    assert "opens `a\\tb` (transforms.py:10): declare it as a source table, or set `refresh: 1d`" in cli("validate").out


def test_hint_lists_all_names_or_none(reading: Callable[..., None], cli: Cli) -> None:
    few, many = ([f"lookups/country_{number:02}.json" for number in range(count)] for count in (5, 30))
    reading(", ".join(f"open({name!r})" for name in few))
    assert notes(cli)[0].endswith(f": list them under `uses: {{files: [{', '.join(few)}]}}`")
    reading(", ".join(f"open({name!r})" for name in many))
    assert notes(cli)[0].endswith(": list its files under `uses.files`")


def test_hint_keeps_what_is_declared(reading: Callable[..., None], project: ProjectFolder, cli: Cli) -> None:
    project.write("a*.json", "{}")
    reading('os.environ["B"], open("a*.json"), open("c")', "uses: {files: ['a[*].json'], env: [A]}")
    assert notes(cli)[0].endswith(": list them under `uses: {env: [A, B], files: ['a[*].json', c]}`")


def test_pattern_is_listed_as_it_is(reading: Callable[..., None], project: ProjectFolder, cli: Cli) -> None:
    project.write("lookups/a.json", "1")
    reading('list(HERE.glob("lookups/*.json"))')
    (note,) = notes(cli)
    assert note.endswith(": list it under `uses: {files: ['lookups/*.json']}`")
    reading('list(HERE.glob("lookups/*.json"))', "uses: {files: ['lookups/*.json']}")
    assert notes(cli) == []


def test_table_without_inputs_is_computed_once(project: ProjectFolder, cli: Cli) -> None:
    project.edit("lakehouse.yaml", "tables:\n", "tables:\n  calendar: {inputs: []}\n")
    project.edit("transforms.py", "\n\ndef totals", "\n\ndef calendar():\n    return pd.DataFrame()\n\n\ndef totals")
    reported = (
        "`calendar` has no inputs and is computed once: `refresh: 1d` computes it each day, "
        "and `uses: {}` says that once is enough"
    )
    assert notes(cli) == [reported]
    for key in ("refresh: 1d", "uses: {}", "uses: {env: [MARKET]}", "version: '1'"):
        project.edit("lakehouse.yaml", "{inputs: []", f"{{{key}, inputs: []")
        assert notes(cli) == []
        project.edit("lakehouse.yaml", f"{{{key}, inputs: []", "{inputs: []")


def test_notes_stay_when_the_code_is_known_already(reading: Callable[..., None], cli: Cli) -> None:
    reading('os.environ.get("MARKET")')
    first = notes(cli)
    assert cli("run").code == 0
    # The run keeps what was read of the code, and reports nothing by itself.
    assert "note" not in cli("run").out
    assert notes(cli) == first
    assert cli("plan", "best", "-o", "json").json["tables"][-1]["notes"] == []
    assert "note" not in cli("plan", "best").out


def test_quiet_says_nothing(reading: Callable[..., None], cli: Cli) -> None:
    reading('os.environ["MARKET"]')
    assert (cli("validate", "-q").out, cli("plan", "-q").out) == ("", "")


def test_many_notes_are_cut(folder: ProjectFolder, cli: Cli) -> None:
    names = [f"t{number:02}" for number in range(30)]
    folder.write("lakehouse.yaml", "name: many\nmodule: t\ntables:\n" + "".join(f"  {n}: {{}}\n" for n in names))
    folder.write("t.py", "".join(f"def {name}():\n    return open('a')\n" for name in names))
    assert cli("plan").out.splitlines()[-2:] == [
        "note: `t04` opens `a` (t.py:10): list it under `uses: {files: [a]}`",
        "and 25 notes more; `-o json` has them all",
    ]
    assert cli("validate").out.splitlines()[-1] == "and 10 notes more; `-o json` has them all"
    assert len(cli("validate", "-o", "json").json["notes"]) == 30


def test_notes_fit_a_terminal(reading: Callable[..., None], project: ProjectFolder) -> None:
    reading('os.environ["MARKET"], open("lookups/countries_of_the_world.json")')
    lines = on_a_terminal(project.path, "validate", width=80)
    assert lines[1:] == [
        "note: `totals` reads `MARKET` from the environment (transforms.py:10) and opens",
        "  `lookups/countries_of_the_world.json` (transforms.py:10): list them under",
        "  `uses: {env: [MARKET], files: [lookups/countries_of_the_world.json]}`",
    ]


@pytest.mark.parametrize("place", ["examples", "project_templates"])
def test_our_own_projects_have_no_notes(cli: Cli, place: str) -> None:
    imported = "assets.py was imported, as it is whenever the project is loaded: it declares tables"
    for file in sorted((Path(__file__).parents[2] / place).glob("*/lakehouse.yaml")):
        expected = [imported] if "assets: " in file.read_text() else []
        assert cli("-C", str(file.parent), "validate", "-o", "json").json["notes"] == expected, file


def test_run_notes_the_tables_that_run(reading: Callable[..., None], cli: Cli) -> None:
    reading('print(os.environ.get("MARKET"))')
    reported = "reads `MARKET` from the environment (transforms.py:10): list it under `uses: {env: [MARKET]}`"
    note = f"\nnote: `totals` {reported}\n"
    assert cli("run").out.count(note) == 1
    assert "note:" not in cli("run").out
    assert cli("run", "--force", "best").out.count("note:") == 0
    assert cli("plan").out.count(note) == 1
