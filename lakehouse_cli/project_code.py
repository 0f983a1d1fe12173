"""The code of a project's transforms, as its fingerprints tell it; read, never run."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from lakehouse_cli.code_cache import CodeCache
from lakehouse_cli.errors import Location, Problem, ProjectError, in_order
from lakehouse_cli.fingerprints import CodeFingerprint, Fingerprinter
from lakehouse_cli.model import FunctionRef, ProjectSpec, Table
from lakehouse_cli.project_files import own_files
from lakehouse_cli.source_code import SourceError, SourceReader


class ProjectCode:
    """The code of one project as its files were when this was made.

    Args:
        spec: The project.

    Attributes:
        source: Reads the functions that tables name.
    """

    def __init__(self, spec: ProjectSpec) -> None:
        self._spec = spec
        self._cache = CodeCache(spec.folder, own_files(spec))
        self._fingerprints = dict(self._cache.fingerprints)
        self.source = SourceReader(spec.folder)
        self.source.know(self._cache.modules.values())

    def anew(self) -> ProjectCode:
        """The code as it is now: this, where no file of it has changed."""
        now = ProjectCode(self._spec)
        return self if now._cache.key == self._cache.key and now._cache.key is not None else now

    def of(self, table: Table) -> CodeFingerprint | None:
        """The fingerprint of a table's transform; None where it has none, or a version stands for the code.

        Raises:
            ProjectError: A module that it reaches cannot be read or parsed.
        """
        return None if table.version is not None or table.function is None else self._fingerprint(table.function)

    def read(self, tables: Iterable[Table]) -> None:
        """Take the fingerprints of tables' transforms, so that `of` knows them.

        Raises:
            ProjectError: Modules that they reach cannot be read or parsed; each is told once, however many reach it.
        """
        problems: dict[tuple[str, Location | None], Problem] = {}
        for table in tables:
            try:
                self.of(table)
            except ProjectError as error:
                problems.update({(problem.message, problem.location): problem for problem in error.problems})
        if problems:
            raise ProjectError(in_order(problems.values(), self._spec.file.name))

    def keep(self) -> None:
        """Keep what was read for the commands to come."""
        read = self._fingerprinter.files if "_fingerprinter" in vars(self) else ()
        self._cache.keep(self.source.modules, self._fingerprints, read)

    def _fingerprint(self, function: FunctionRef) -> CodeFingerprint:
        ref = str(function)
        if ref not in self._fingerprints:
            try:
                self._fingerprints[ref] = self._fingerprinter.of(function)
            except SourceError as error:
                place = error.location or function.location
                raise ProjectError([Problem(str(error), error.hint, place)]) from error
        return self._fingerprints[ref]

    @cached_property
    def _fingerprinter(self) -> Fingerprinter:
        # What the cache knows of modules is not the whole of them.
        source = SourceReader(self._spec.folder) if self._cache.modules else self.source
        return Fingerprinter(self._spec.folder, source)
