"""Files that cannot be read, texts that are no YAML, hostile YAML, and both of PyYAML's parsers."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from lakehouse_cli.config import load_project
from lakehouse_cli.config.problems import Problems
from lakehouse_cli.config.reading import free_value
from lakehouse_cli.config.scalars import core_value
from lakehouse_cli.config.source import MAX_BYTES, SourceFile
from lakehouse_cli.config.yaml_tree import PurePythonParser, parse_yaml
from lakehouse_cli.errors import Problem
from tests.cases import each_case

CORPUS = Path(__file__).parents[2] / "corpus"


def problems_of(path: Path) -> tuple[Problem, ...]:
    return load_project(path, {}).problems


def only_message(path: Path) -> str:
    (problem,) = problems_of(path)
    assert problem.location is not None
    assert problem.location.file == path.name
    return problem.message


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "lakehouse.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_no_file(tmp_path: Path) -> None:
    assert only_message(tmp_path / "lakehouse.yaml") == "there is no `lakehouse.yaml`"


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "lakehouse.yaml").mkdir()
    assert only_message(tmp_path / "lakehouse.yaml") == "`lakehouse.yaml` is a folder, not a file"


def test_a_pipe_in_its_place_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lakehouse.yaml")
    assert only_message(tmp_path / "lakehouse.yaml") == "`lakehouse.yaml` is not a regular file"


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As root, who runs tests in containers, every file may be read.
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, "name: x\n")
    monkeypatch.setattr("lakehouse_cli.text.regular_files.os.open", refuse)
    assert only_message(path) == "`lakehouse.yaml` may not be read"


def test_empty_file(tmp_path: Path) -> None:
    assert only_message(write(tmp_path, "")) == "`lakehouse.yaml` is empty"
    assert only_message(write(tmp_path, "\n\n---\n# only this\n")) == "`lakehouse.yaml` is empty"


def test_not_utf8(tmp_path: Path) -> None:
    (problem,) = problems_of(write(tmp_path, b"name: x\ndescription: \xc3\xa4 \xe4\n"))
    assert problem.message == "`lakehouse.yaml` is not UTF-8: byte 0xe4"
    assert str(problem.location) == "lakehouse.yaml:2:16"
    assert only_message(write(tmp_path, "name: x\n".encode("utf-16"))) == "`lakehouse.yaml` is UTF-16, not UTF-8"


def test_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    (problem,) = problems_of(write(tmp_path, b"\xef\xbb\xbfname: x\r\ntables: {}\r\nzebra: 1\r\n"))
    assert problem.location is not None
    assert str(problem.location) == "lakehouse.yaml:3:1"
    assert problem.location.source == "zebra: 1"


def test_control_character(tmp_path: Path) -> None:
    (problem,) = problems_of(write(tmp_path, "name: x\ntables: {a\0: {}}\n"))
    assert problem.message == "character U+0000 may not stand in a YAML file"
    assert str(problem.location) == "lakehouse.yaml:2:11"


@pytest.mark.parametrize(("break_", "escape"), [("\r", r"\r"), ("\x85", r"\N"), ("\u2028", r"\L"), ("\u2029", r"\P")])
def test_line_breaks_of_yaml_alone_are_refused(tmp_path: Path, break_: str, escape: str) -> None:
    places = [
        f'"ä{break_}b"',
        f"'ä{break_}b'",
        f"|\n  ä{break_}b",
        f"ä{break_}b",
        f'{{"ä{break_}b": 1}}',
        f"1  # ä{break_}b",
    ]
    for at, value in enumerate(places):
        text = f"name: x\r\ntables: {{}}\nvalue: {value}\n"
        (problem,) = problems_of(write(tmp_path, text))
        says = "may not stand in a YAML file: YAML takes it for the end of a line, and makes it a space in a text"
        assert problem.message == f"character U+{ord(break_):04X} {says}"
        assert problem.hint is not None
        assert f'as an escape in double quotes: "{escape}"' in problem.hint
        line, column = (4, 4) if at == 2 else (3, 8 + value.index(break_))
        assert str(problem.location) == f"lakehouse.yaml:{line}:{column}"
    # Followed, the hint gives the text.
    node = parse_yaml(SourceFile(tmp_path, "x", f'"ä{escape}b"'), Problems())
    assert node is not None
    assert free_value(node) == f"ä{break_}b"
    # Breaks of two characters are breaks as everywhere.
    assert not any("U+" in each.message for each in problems_of(write(tmp_path, "name: x\r\ntables: {}\r\n")))


def test_too_large(tmp_path: Path) -> None:
    path = write(tmp_path, "name: x\n")
    with path.open("ab") as file:
        file.truncate(MAX_BYTES + 1)
    assert only_message(path) == "`lakehouse.yaml` is larger than 10 MB"


def test_caret_stands_right_behind_wide_text(tmp_path: Path) -> None:
    (problem,) = problems_of(write(tmp_path, 'name: x\ntables: {"ä😀": {}}\n'))
    assert problem.location is not None
    assert (problem.location.column, problem.location.length) == (10, 4)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 5_000,
        "- " * 20_000 + "x",
        "name: x\n" + "x-0: &x0 [a]\n" + "".join(f"x-{i}: &x{i} [*x{i - 1}]\n" for i in range(1, 3_000)),
        "name: x\ntables: {t: {columns: {c: " + "list<" * 20_000 + "}}}\n",
        "name: x\ntables: {t: {columns: {c: '" + "list<" * 20_000 + "int64" + ">" * 20_000 + "'}}}\n",
        "name: x\ntables: {t: {retries: " + "9" * 100_000 + "x}}\n",
        "name: x\ntables: {t: {timeout: 1e999999999, retries: " + "9" * 4_000 + "}}\n",
    ],
    ids=["lists", "maps", "items", "alias_chain", "open_types", "nested_types", "long_text", "numbers"],
)
def test_deep_and_long_texts_are_refused(tmp_path: Path, text: str) -> None:
    problems = problems_of(write(tmp_path, text))
    assert problems
    assert all(len(problem.message) < 400 for problem in problems)


def test_alias_bomb_takes_little_memory_and_time(tmp_path: Path) -> None:
    lines = ["name: x", "x-0: &x0 {a: 1, b: 2}"]
    lines += [f"x-{i}: &x{i} {{{', '.join(f'k{n}: *x{i - 1}' for n in range(9))}}}" for i in range(1, 40)]
    write(tmp_path, "\n".join([*lines, "tables: {t: {meta: *x39}}"]))
    code = """
        import resource, sys
        from pathlib import Path
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        resource.setrlimit(resource.RLIMIT_AS, (300_000_000, 300_000_000))
        from lakehouse_cli.config import load_project
        print(load_project(Path(sys.argv[1]), {}).problems[0].message)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "lakehouse.yaml")]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "with its aliases expanded this holds more than 1,000,000 values"


def test_loading_executes_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    path = write(
        tmp_path,
        f"name: x\nmodule: transforms\ntables:\n  t: {{meta: !!python/object/apply:os.mkdir [{marker}]}}\n",
    )
    (tmp_path / "transforms.py").write_text(f"import os; os.mkdir({str(marker)!r})\n")
    assert [problem.message for problem in problems_of(path)] == ["tag `!!python/object/apply:os.mkdir` is not allowed"]
    assert not marker.exists()


def test_heavy_libraries_stay_unloaded() -> None:
    code = """
        import sys
        from pathlib import Path
        from lakehouse_cli.config import load_project
        from lakehouse_cli.config.schema import json_schema
        load_project(Path(sys.argv[1]), {}), json_schema()
        print(sorted({"numpy", "pandas", "pyarrow", "typer", "rich", "jsonschema"} & set(sys.modules)))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(CORPUS / "good" / "weather.yaml")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


@each_case(
    ("text", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("0o17", 15),
        ("0xfF", 255),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-.inf", float("-inf")),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0123", "0123"),
        ("00.5", "00.5"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-31", "2024-01-31"),
        ("no", "no"),
        ("On", "On"),
        ("y", "y"),
        ("tRUE", "tRUE"),
        ("0b1", "0b1"),
        ("1,5", "1,5"),
        ("٣", "٣"),
    ],
)
def test_unquoted_scalars_where_nothing_is_expected(text: str, value: object) -> None:
    found = core_value(text)
    assert found == value
    assert type(found) is type(value)


def _value(path: Path, parser: Any) -> tuple[Any, list[str]]:
    problems = Problems()
    node = parse_yaml(SourceFile(path, path.name, path.read_text("utf-8")), problems, parser=parser)
    places = [str(problem.location) for problem in problems.sorted([path.name])]
    return None if node is None else free_value(node), places


@each_case("path", sorted(CORPUS.rglob("*.yaml")))
def test_both_parsers_read_the_same(path: Path) -> None:
    fast, pure = _value(path, None), _value(path, PurePythonParser)
    assert fast[0] == pure[0]
    assert len(fast[1]) == len(pure[1])
