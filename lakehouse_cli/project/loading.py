"""From a project file to a project that is known to be valid, or to every problem there is with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from lakehouse_cli.config import load_project
from lakehouse_cli.config.editor_schema import keep_schema
from lakehouse_cli.config.params import NO_PARAMS
from lakehouse_cli.config.tables_cache import TablesReading
from lakehouse_cli.declarations import DeclaredProject
from lakehouse_cli.errors import ProjectError, UsageError, in_order
from lakehouse_cli.model import ProjectSpec
from lakehouse_cli.plan.project_code import ProjectCode
from lakehouse_cli.plan.uses import UsedContent
from lakehouse_cli.text.close_names import did_you_mean

if TYPE_CHECKING:
    from lakehouse_cli.config.transform_tests import TransformTest


class ValidProject(Struct, frozen=True):
    """What a project file declares, nothing of which is wrong.

    Attributes:
        spec: As it is declared in the chosen environment.
        code: That of its transforms, with the graph that it makes of the tables.
        variables: Those that are set of all that the project file names, in whichever environment; value by name.
        reading: Its tables, where they were read anew and can be kept.
        declared: What declares the whole of it in Python; None where its project file was read.
        tests: The tests of transforms, by table; None where they were not asked for.
        imported: The file of the module that was imported for its tables; empty where none was.
    """

    spec: ProjectSpec
    code: ProjectCode
    variables: Mapping[str, str]
    reading: TablesReading | None = None
    declared: DeclaredProject | str | None = None
    tests: Mapping[str, tuple[TransformTest, ...]] | None = None
    imported: str = ""


def load_valid_project(
    file: Path,
    environ: Mapping[str, str],
    environment: str,
    *,
    thorough: bool = False,
    incomplete: bool = False,
    with_tests: bool = False,
    declared: DeclaredProject | str | None = None,
    params: Mapping[str, Any] | None = NO_PARAMS,
) -> ValidProject:
    """Read a project file and validate all that can be known without data.

    Nothing of the user's is executed but a module that declares tables.

    Args:
        file: The project file.
        environ: Environment variables for ``${VAR}``.
        environment: Name of the one to choose.
        thorough: Validate the tables in every environment, not in the chosen one alone, and read all the
            code that decides their content, and what it imports.
        incomplete: Let variables be unset.
        with_tests: Read the tests of transforms too.
        declared: As of `load_project`.
        params: Values of params over those of the file; None where nothing is computed, so that they need no variables.

    Raises:
        ProjectError: The project is invalid; carries every problem found, with its place.
        UsageError: There is no such environment or param, or its value is of another type.
    """
    loaded = load_project(
        file,
        environ,
        environment,
        thorough=thorough,
        incomplete=incomplete,
        with_tests=with_tests,
        declared=declared,
        given=params,
    )
    spec = loaded.spec
    if declared is None:
        keep_schema(file)
    if loaded.readable and environment not in spec.environments:
        raise no_environment(environment, spec.environments)
    code = ProjectCode(spec)
    if any(table.partitions for table in spec.tables.values()):
        from lakehouse_cli.plan.partition_limits import with_folders  # not loaded where no table has partitions

        found = with_folders(spec, code.graph)
        code = code if found is spec else ProjectCode(found)
    everything = [*loaded.problems, *code.problems]
    if everything:
        raise ProjectError(in_order(everything, spec.file.name))
    if thorough:
        code.read(spec.tables.values())
        if wrong := list(UsedContent(spec.folder).problems(spec.tables.values())):
            raise ProjectError(in_order(wrong, spec.file.name))
        if missing := code.missing_packages():
            raise ProjectError(in_order(missing, spec.file.name))
    tests = loaded.tests if with_tests or thorough else None
    return ValidProject(code.spec, code, loaded.variables, loaded.reading, declared, tests, loaded.imported)


def declared_environments(
    file: Path, environ: Mapping[str, str], declared: str | None = None
) -> tuple[str, ...] | None:
    """The environments that a project declares, whatever else is wrong with it; None where it cannot be read."""
    loaded = load_project(file, environ, incomplete=True, declared=declared)
    return tuple(loaded.spec.environments) if loaded.readable else None


def no_environment(name: str, known: Collection[str]) -> UsageError:
    """The error for an environment that does not exist, with close matches."""
    hint = did_you_mean(name, known)
    if hint is None:
        named = ", ".join(f"`{each}`" for each in known)
        hint = f"choose one of: {named}" if len(known) > 1 else "the project file declares no `environments`"
    return UsageError(f"there is no environment `{name}`", hint=hint)
