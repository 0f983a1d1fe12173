"""`include`: patterns of files with more tables, followed to the end; cycles are found."""

from __future__ import annotations

import glob
import os
from pathlib import Path, PurePosixPath

from msgspec import Struct, field

from lakehouse_cli.config.keys import INCLUDED_KEYS, PATTERNS, PROJECT_KEYS
from lakehouse_cli.config.problems import Problems, quoted
from lakehouse_cli.config.reading import Invalid, Reader
from lakehouse_cli.config.source import SourceFile, read_source
from lakehouse_cli.config.tables_cache import KeptTables
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar, Sequence, parse_yaml
from lakehouse_cli.errors import Problem
from lakehouse_cli.text.close_names import did_you_mean

EXTENSION = "x-"
_WITHOUT_ITSELF = "name the other files, or move them to a folder and write `[folder/*.yaml]`"


class Includes(Struct):
    """The files that a project includes, read one after the other.

    Attributes:
        folder: The project's folder, which no pattern may leave.
        problems: Takes what is found.
        kept: What is known of the files already.
        tables: The `tables` of each file, with its reader.
    """

    folder: Path
    problems: Problems
    kept: KeptTables | None = None
    tables: list[tuple[Reader, Mapping]] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def follow(self, reader: Reader, node: Node, above: tuple[SourceFile, ...]) -> None:
        """Read the files that `include` of one file names, and those that they include.

        Args:
            reader: Of the file.
            node: The value of its `include`.
            above: The files by which it was reached, itself last.
        """
        patterns = PATTERNS.read(reader, node, "`include`")
        if isinstance(patterns, Invalid) or not isinstance(node, Sequence):
            return
        for pattern, item in zip(patterns, node.items, strict=True):
            for path in self._matches(reader, pattern, item):
                self._file(reader, item, path, above)

    def _matches(self, reader: Reader, pattern: str, item: Node) -> list[Path]:
        """The files a pattern matches, sorted."""
        here = reader.source.path.parent
        if pattern.startswith(("/", "~")) or "\\" in pattern or "\0" in pattern:
            hint = "give it relative to this file, with `/` between folders"
            reader.report(item, f"pattern {quoted(pattern)} is not a relative path", hint)
            return []
        if ".." in PurePosixPath(pattern).parts:
            reader.report(item, f"pattern {quoted(pattern)} leaves its folder by `..`", "move the file under it")
            return []
        found = sorted(glob.glob(pattern, root_dir=here, recursive=True))  # noqa: PTH207 - pathlib's skips no dotfiles
        paths = [here / each for each in found if _is_file(here / each)]
        others = [here / each for each in found if here / each not in paths and not _is_file(here / each, folder=True)]
        for path in others:
            reader.report(item, f"`{self._name(path)}` is not a regular file", "put a file in its place")
        if not paths and not others:
            reader.report(item, f"pattern {quoted(pattern)} matches no file", self._close(here, pattern))
            return []
        inside = os.path.realpath(self.folder)
        kept = [path for path in paths if os.path.realpath(path).startswith(inside + os.sep)]
        for path in paths:
            if path not in kept:
                message = f"`{self._name(path)}` is a link that leaves the project's folder"
                reader.report(item, message, "include a file of the project")
        return kept

    @staticmethod
    def _close(here: Path, pattern: str) -> str:
        close = None
        if _is_file(here / pattern, folder=True):
            return f"name the files in it: `{pattern.rstrip('/')}/*.yaml`"
        if not glob.has_magic(pattern):
            try:
                names = [each.name for each in (here / pattern).parent.iterdir()]
            except OSError:
                names = []
            close = did_you_mean(PurePosixPath(pattern).name, names)
        return close or "correct it, or remove it"

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _file(self, reader: Reader, item: Node, path: Path, above: tuple[SourceFile, ...]) -> None:
        real = os.path.realpath(path)
        chain = [os.path.realpath(each.path) for each in above]
        if real in chain:
            names = [each.name for each in above[chain.index(real) :]]
            cycle = " → ".join([*names, names[0]])
            hint = "remove one of these includes" if len(names) > 1 else _WITHOUT_ITSELF
            reader.report(item, f"files include each other: {cycle}", hint)
            return
        if real in self._seen:
            return
        self._seen.add(real)
        name = self._name(path)
        source = read_source(path, name)
        if isinstance(source, Problem):
            self.problems.add(source)
            return
        self._read((self.kept and self.kept.without_tables(source)) or source, above)

    def _read(self, source: SourceFile, above: tuple[SourceFile, ...]) -> None:
        reader = Reader(source, self.problems)
        root = read_top(reader, "a map with `tables`", "give it `tables:`, or do not include it")
        if root is None:
            return
        self._check_keys(reader, root)
        if "tables" in root.entries:
            key, tables = root.entries["tables"]
            mapping = tables_mapping(reader, key, tables)
            if mapping is not None:
                self.tables.append((reader, mapping))
        if "include" in root.entries:
            self.follow(reader, root.entries["include"][1], (*above, source))

    @staticmethod
    def _check_keys(reader: Reader, root: Mapping) -> None:
        for name, (key, _) in root.entries.items():
            if name in INCLUDED_KEYS or name.startswith(EXTENSION):
                continue
            if name in PROJECT_KEYS:
                message = f"`{name}` belongs in the project file, not in an included one"
                reader.report(key, message, "move it there; included files have `tables` and `include`")
            else:
                hint = did_you_mean(name, INCLUDED_KEYS) or "its keys are `tables` and `include`"
                reader.report(key, f"unknown key {quoted(name)} in included file `{reader.source.name}`", hint)


def _is_file(path: Path, *, folder: bool = False) -> bool:
    try:
        return path.is_dir() if folder else path.is_file()
    except OSError:
        return False


def read_top(reader: Reader, expected: str, hint: str) -> Mapping | None:
    """The map that a file holds; None after a problem was reported."""
    source = reader.source
    root = parse_yaml(source, reader.problems)
    if isinstance(root, Mapping):
        return root
    lines = (line.strip() for line in source.lines)
    if not any(line and not line.startswith("#") and line not in ("---", "...") for line in lines):
        reader.problems.report(f"`{source.name}` is empty", hint, source.point(0, 0))
    elif root is not None:
        reader.mismatch(root, f"`{source.name}`", expected, hint)
    return None


def tables_mapping(reader: Reader, key: Scalar, node: Node) -> Mapping | None:
    """The value of `tables`; None after a problem was reported."""
    if isinstance(node, Mapping):
        return node
    if isinstance(node, Scalar) and node.is_null:
        reader.report(key, "`tables` is empty", "declare a table under it, or write `tables: {}`")
    else:
        hint = "write `name:` and its keys below, without `- `" if not isinstance(node, Scalar) else None
        reader.mismatch(node, "`tables`", "a map of names to tables", hint)
    return None
