"""The results of tables that fail, and the rows that are kept of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from msgspec import UNSET, Struct

from lakehouse_cli.errors import DataError, LakehouseError, OvertakenError, UnreachableError
from lakehouse_cli.model import DEFAULT_ENVIRONMENT
from lakehouse_cli.model.unit import selected_alone
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import PlannedTable
from lakehouse_cli.runner import table_results
from lakehouse_cli.runs.events import TableResult
from lakehouse_cli.runs.failed_rows import FailedRowsStore
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.text.counts import count_text
from lakehouse_cli.text.redaction import unmasked


class Failures(Struct):
    """Makes the results of tables that fail in a run.

    Attributes:
        graph: All tables.
        storages: By name.
        store: Keeps the rows that break a contract; None where nothing is to be kept.
        environment: Of the run.
        run_id: The run's.
        started_ns: When it began, in nanoseconds since 1970.
        publish: Whether its results are stored.
    """

    graph: AssetGraph
    storages: Mapping[str, AssetStorage]
    store: FailedRowsStore | None
    environment: str
    run_id: str
    started_ns: int
    publish: bool

    def of_table(
        self, planned: PlannedTable, error: LakehouseError, seconds: float, attempts: int, given_up: str | None = None
    ) -> TableResult:
        """The result of a table that could not be materialized; arguments as of `table_results.failed`."""
        table = self.graph.tables[planned.name]
        left = None
        # Another request to a server that does not answer may take as long again; a table that another run stored is
        # not as it was, though this run did not replace it.
        is_reported = self.publish and not planned.is_validated and planned.kind == "computed"
        if is_reported and not isinstance(error, UnreachableError | OvertakenError):
            left = table_results.left_in_place(table, planned.uri, self.storages[table.storage], self.started_ns)
        kept = self.keep_rows(planned.name, error)
        return table_results.failed(planned, error, seconds, attempts, left, given_up, kept)

    def of_source(self, name: str, uri: str, error: LakehouseError, seconds: float) -> TableResult:
        """The result of a source that is missing or not as declared."""
        return table_results.failed_source(name, uri, error, seconds, self.keep_rows(name, error))

    def of_unreadable(self, name: str, uri: str) -> TableResult | None:
        """Read a source; returns its result where that is missing or not as declared, else None."""
        from lakehouse_cli.runner.stored_inputs import judge_source
        from lakehouse_cli.violating_rows.writing import keeping_rows

        table, since = self.graph.tables[name], time.perf_counter()
        try:
            store = self.store
            kept = (None, unmasked) if store is None else (partial(store.new_rows, self.run_id), store.mask)
            with keeping_rows(*kept):
                judge_source(self.storages[table.storage], table)
        except LakehouseError as error:
            return self.of_source(name, uri, error, time.perf_counter() - since)
        self.keep_rows(name, None)
        return None

    def keep_rows(self, name: str, error: LakehouseError | None) -> str | None:
        """Keep the rows that break the contract, none any more without an error; returns how they are shown."""
        if self.store is not None and isinstance(error, DataError):
            written = None if error.failed is None else error.failed.written
            if error.failed is not None and written is not None and written.content is not UNSET:
                from lakehouse_cli.violating_rows.sending import receive  # of clusters alone

                error.failed = receive(error.failed, partial(self.store.new_rows, self.run_id), self.store.mask)
        kept = None if self.store is None else self.store.replace(name, self.run_id, error)
        if kept is None or not kept.count:
            return None
        environment = "" if self.environment == DEFAULT_ENVIRONMENT else f" -e {self.environment}"
        rows = "the row that fails" if kept.count == 1 else f"the {count_text(kept.count)} rows that fail"
        some = f"{count_text(kept.kept)} of " if kept.kept < kept.count else ""
        return f"`lakehouse show {selected_alone(self.graph.tables[name])}{environment} --failed` shows {some}{rows}"
