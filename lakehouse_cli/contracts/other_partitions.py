"""Rows that are of other partitions than the one that they are given for, as they are found piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse_cli.contracts.findings import Findings
from lakehouse_cli.errors import ContractError, Example, Violation
from lakehouse_cli.model import Table

_SHOWN = 3


@contextmanager
def refusing_others(table: Table, values: Mapping[str, pa.Array]) -> Iterator[Callable[[pa.Table], None]]:
    """Judge a result that has the declared types: piece by piece in the block, and as a whole at its end.

    Args:
        table: A partition.
        values: The one value of each column that is a dimension.

    Raises:
        ContractError: A row is of another partition.
    """
    with closing(Findings(hidden=table.contract.sensitive)) as found:

        def check(piece: pa.Table) -> None:
            for name, value in values.items():
                given = piece[name]
                same = given.is_null() if value[0].as_py() is None else pc.fill_null(pc.equal(given, value[0]), False)
                if (count := piece.num_rows - (pc.sum(same).as_py() or 0)) > 0:
                    rows = pc.indices_nonzero(pc.invert(same))
                    shown = rows.slice(0, _SHOWN).to_pylist()
                    examples = tuple([Example(row + 1, str(given[row].as_py())) for row in shown])
                    message = f"column `{name}` has values other than `{value[0].as_py()}`, which is its partition's"
                    place = table.where(f"columns.{name}", "columns")
                    found.add(Violation(name, "partition", count, message, examples, place), rows)
            found.end_piece(piece, table.key)

        yield check
        if violations := found.violations:
            hint = "return the rows of the partition alone, or leave the column out: it is filled in"
            error = ContractError(violations[0].message, violations, hint=hint)
            found.describe(error, {})
            raise error
