"""Plans without the values of variables, which may be secret."""

from __future__ import annotations

from msgspec.structs import replace

from lakehouse_cli.plan.planned import Plan, PlannedTable
from lakehouse_cli.project.partitions import masked_unit
from lakehouse_cli.text.redaction import Mask, masked, masked_error, unmasked


def masked_plan(plan: Plan, mask: Mask) -> Plan:
    """A plan without the values of variables."""
    if mask is unmasked:
        return plan
    return replace(
        plan,
        tables=tuple(_masked(table, mask) for table in plan.tables),
        notes=masked(plan.notes, mask),
        out_of_reach={name: masked_error(error, mask) for name, error in plan.out_of_reach.items()},
    )


def _masked(planned: PlannedTable, mask: Mask) -> PlannedTable:
    refused = None if planned.refused is None else masked_error(planned.refused, mask)
    reasons, would_fail = masked(planned.reasons, mask), masked(planned.would_fail, mask)
    notes = masked(planned.notes, mask)
    uri = mask.location(planned.uri)
    planned = replace(planned, reasons=reasons, refused=refused, notes=notes, would_fail=would_fail, uri=uri)
    return replace(planned, partitions=tuple(masked_unit(each, mask) for each in planned.partitions))
