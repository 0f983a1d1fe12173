"""What was found of a source when its checks were last judged, of which no manifest lies with the data."""

from __future__ import annotations

from msgspec import Struct

from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.contract import Contract
from lakehouse_cli.model.manifest import InputRecord, is_same_content


class JudgedSource(Struct, frozen=True, omit_defaults=True):
    """What was found of a source whose types, nulls and key are as declared.

    Attributes:
        content: What was judged.
        rules: From `rules_of`, of its contract then.
        checks: What its checks found.
        before: How many rows it had before that content; None where it was not known.
        passed: How many rows it had when it last passed; None where it never did.
    """

    content: InputRecord
    rules: str
    checks: tuple[CheckRecord, ...]
    before: int | None = None
    passed: int | None = None

    def is_of(self, content: InputRecord | None) -> bool:
        """Whether this is what was judged."""
        return is_same_content(self.content, content)

    def rows_before(self, content: InputRecord | None) -> int | None:
        """How many rows came before some content, with which `row_count: {change}` compares."""
        return self.before if self.is_of(content) else self.passed


def rules_of(contract: Contract) -> str:
    """What a source is judged by beside its types and checks, as text."""
    columns = contract.records or ()
    not_null = [column.name for column in columns if not column.nullable]
    return f"{not_null} {[*contract.key]}"
