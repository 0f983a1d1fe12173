"""Tests, run one after another in this process: one clock is frozen for all that goes on in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import perf_counter

import pyarrow as pa

from lakehouse_cli.config.transform_tests import TransformTest
from lakehouse_cli.errors import LakehouseError, ProjectError, TransformError, in_order
from lakehouse_cli.model import Table
from lakehouse_cli.operations.transform_tests.cases import Case, CaseReader, Expected
from lakehouse_cli.operations.transform_tests.checked_rows import CheckedRows
from lakehouse_cli.operations.transform_tests.comparer import Difference, compare_rows
from lakehouse_cli.operations.transform_tests.computing import check_given, transforms_of
from lakehouse_cli.operations.transform_tests.results import Status, TestResult
from lakehouse_cli.plan.project_code import ProjectCode
from lakehouse_cli.runner.sensitive_inputs import hide_inputs
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.name_lists import first_named
from lakehouse_cli.transforms import SharedTable, load_transform

_Compute = Callable[..., dict[str, pa.Table]]


def read_cases(code: ProjectCode, tests: Mapping[str, Iterable[TransformTest]]) -> tuple[Case, ...]:
    """Read the values of tests by the types of their columns.

    Args:
        code: The project's.
        tests: By table.

    Raises:
        ProjectError: Something is wrong with them; carries every problem, with its place.
    """
    reader = CaseReader(code)
    cases = tuple(reader.cases(tests))
    if problems := reader.problems.sorted(code.spec.file.name):
        raise ProjectError(in_order(problems, code.spec.file.name))
    return cases


def run_cases(code: ProjectCode, cases: Iterable[Case]) -> Iterator[TestResult]:
    """Run tests in their order.

    Raises:
        ProjectError: An expected value does not fit its column, of which the type is not declared.
    """
    with transforms_of(code) as compute:
        for case in cases:
            began = perf_counter()
            status, message, differences, error = _outcome(case, code, compute)
            test = case.test
            seconds = perf_counter() - began
            notes = tuple(note for each in case.members for note in case_checks(case, code).notes(each))
            yield TestResult(
                case.table.name, test.name, status, test.location, seconds, message, differences, error, notes
            )


def case_checks(case: Case, code: ProjectCode) -> CheckedRows:
    """What judges the checks of a test's tables, by those that it gives."""
    given = {name: case.given[name] for name in case.test.given}
    return CheckedRows(code.folder.resolve(), given, case.test.now)


def _outcome(
    case: Case, code: ProjectCode, compute: _Compute
) -> tuple[Status, str, dict[str, Difference], ErrorInfo | None]:
    tables, function, checks = code.spec.tables, case.table.function, case_checks(case, code)
    try:  # what comes before the call is no error that a test can expect
        for name in case.given if case.test.strict else ():
            check_given(case.given[name], tables[name], checks)
        if function is not None:
            load_transform(function, code.folder.resolve(), of_table=case.table.returns_table)
    except LakehouseError as error:
        return "errored", error.message, {}, ErrorInfo.of(error)
    try:
        results = compute(case.members, case.inputs, case.given, case.test.now, checks)
    except LakehouseError as error:
        return _of_error(case, error, {name: tables[name] for name in case.given})
    if case.error is not None:
        rows = plural(results[case.table.name].num_rows, "row")
        return "failed", f"no error was raised, and {rows} came: `{case.error}` is expected", {}, None
    differences: dict[str, Difference] = {}
    messages = []
    outputs = {each.name: each.output for each in case.members}
    for name, expected in case.expected.items():
        message, found = _compared(case, expected, results[name], tables[name].key)
        if found is not None:
            found = found.without_values(tables[name].contract.sensitive)
            differences[outputs[name] if len(case.expected) > 1 else ""] = found
        if message:
            messages.append(f"{outputs[name]}: {message}" if len(case.expected) > 1 else message)
    return "failed" if messages else "passed", "; ".join(messages), differences, None


def _of_error(
    case: Case, error: LakehouseError, tables: Mapping[str, Table]
) -> tuple[Status, str, dict[str, Difference], ErrorInfo | None]:
    """The outcome of a call that failed, as it may be expected to."""
    raised = error.exception if isinstance(error, TransformError) else ""
    if case.error is not None and any(re.search(case.error, text) for text in (raised, error.message)):
        return "passed", "", {}, None
    hide_inputs(error, tables, {name: SharedTable(data) for name, data in case.given.items()})
    info = ErrorInfo.of(error)
    if case.error is None:
        return "errored", error.message, {}, info
    return "failed", f"another error was raised: `{case.error}` is expected", {}, info


def _compared(case: Case, expected: Expected, result: pa.Table, key: tuple[str, ...]) -> tuple[str, Difference | None]:
    """What is wrong with a result, in a sentence, and how its rows differ; nothing where it is as expected."""
    source = expected.rows
    if source is None:
        if result.num_rows == expected.count:
            return "", None
        return f"{plural(result.num_rows, 'row')}, and {count_text(expected.count)} expected", None
    names = expected.names or tuple(name for name in result.schema.names if name not in case.test.ignore)
    if missing := [name for name in names if name not in result.schema.names]:
        hint = did_you_mean(missing[0], result.schema.names)
        return f"the result has no column {first_named(missing, 5)}{f' ({hint})' if hint else ''}", None
    kinds = {name: result.schema.field(name).type for name in names}
    columns = {
        name: expected.columns[name] if name in expected.columns else source.column(name, kind)
        for name, kind in kinds.items()
    }
    if found := case.problems.sorted(""):  # of columns whose types are not declared
        raise ProjectError(found)
    difference = compare_rows(
        pa.table(columns),
        result.select(names),
        ordered=case.test.ordered,
        tolerance=case.test.tolerance,
        key=key,
    )
    return ("", None) if difference is None else (_summary(difference), difference)


def _summary(found: Difference) -> str:
    if found.moved:
        return "the rows come in another order"
    parts = []
    if found.changed:
        parts.append(f"{plural(len(found.changed), 'row')} with other values")
    if found.missing:
        parts.append(f"{plural(len(found.missing), 'row')} missing")
    if found.unexpected:
        parts.append(f"{plural(len(found.unexpected), 'row')} not expected")
    return ", ".join(parts)
