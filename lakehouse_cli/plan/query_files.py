"""The files of queries: their texts, read into the project."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from lakehouse_cli.code.snapshot import CodeSnapshot
from lakehouse_cli.errors import Problem
from lakehouse_cli.model import ProjectSpec, Table
from lakehouse_cli.text.close_names import did_you_mean


def with_texts(spec: ProjectSpec, snapshot: CodeSnapshot) -> tuple[ProjectSpec, list[Problem]]:
    """Read the files under `sql_file`.

    Returns:
        The project with their texts, without the tables whose files cannot be read; and a problem for each of these.
    """
    if not any(table.query is not None and table.query.file is not None for table in spec.tables.values()):
        return spec, []
    tables: dict[str, Table] = {}
    problems: list[Problem] = []
    for name, table in spec.tables.items():
        if table.query is None or table.query.file is None:
            tables[name] = table
            continue
        try:
            text = _text_of(spec.folder, table.query.file, snapshot)
        except _UnreadableError as error:
            problems.append(Problem(f"`sql_file` of table `{name}`: {error}", error.hint, table.query.location))
        else:
            tables[name] = replace(table, query=replace(table.query, text=text))
    broken = spec.broken | (spec.tables.keys() - tables.keys())
    return replace(spec, tables=tables, broken=broken), problems


class _UnreadableError(Exception):
    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def _text_of(folder: Path, name: str, snapshot: CodeSnapshot) -> str:
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise _UnreadableError(f"`{name}` leads out of the project's folder", "move the file into the project")
        return snapshot.read(path).decode("utf-8-sig")
    except FileNotFoundError:
        there = [each.relative_to(folder).as_posix() for each in sorted(path.parent.glob("*.sql"))]
        raise _UnreadableError(
            f"`{name}` does not exist", did_you_mean(name, there) or "write the query there"
        ) from None
    except UnicodeDecodeError as error:
        raise _UnreadableError(f"`{name}` is not UTF-8 (byte {error.start + 1})", "save it as UTF-8") from None
    except OSError as error:
        raise _UnreadableError(f"`{name}` cannot be read: {error.strerror}", "name a file with a query") from None
