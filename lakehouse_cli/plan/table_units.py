"""The plan of one table's partitions: which are out of date, and why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.model.unit import unit_name
from lakehouse_cli.plan.domains import Domain, is_ahead, open_period
from lakehouse_cli.plan.gone_sources import refuse_gone, why_gone, without_source
from lakehouse_cli.plan.known_tables import Known
from lakehouse_cli.plan.partitioning import Chosen, Link, LinkIndex, Values, as_stored, expected
from lakehouse_cli.plan.plain_units import PlainUnits
from lakehouse_cli.plan.units import Found, Judged, Stored, UnitPlan
from lakehouse_cli.text.name_lists import first_named

#: Gives the reasons of one partition, by its state, that of its inputs as they are stored, and those in its recipe.
ReasonsOf = Callable[[Partition, TableState, Mapping[str, TableState], tuple[Reason, ...]], tuple[Reason, ...]]
#: Why partitions wait that are more than the user asked for.
LEFT = "left for a later run (`--max-partitions`)"
# Why those wait that the user did not ask for, and that are not there.
_NOT_CHOSEN = "not chosen (`--partition`)"
#: Codes of reasons that come of code, params and packages.
CODE_REASONS = frozenset(("function_changed", "params_changed"))


#: What a partition gets of each input, by edge.
_Choice = tuple[Chosen | None, ...]
#: Judges a stored partition that is up to date by the records of its checks.
Judge = Callable[[str, TableState], Judged]


class TableUnits:
    """The partitions of one table.

    Args:
        known: What the plan knows of all tables.
        name: The table.
        reasons_of: Gives the reasons of one partition.
        recipe_reasons: Gives the reasons that are in what a partition was made by.
        judge: Tells how the checks of a stored one stand; None where there are none.
        more: Reasons of partitions beside their own.
    """

    def __init__(
        self,
        known: Known,
        name: str,
        reasons_of: ReasonsOf,
        recipe_reasons: Callable[[Manifest], tuple[Reason, ...]],
        judge: Judge | None,
        more: Mapping[Partition, Reason],
    ) -> None:
        self.judge, self.more = judge, more
        self.known, self.name = known, name
        running, failing, waiting = known.running, known.failing, known.waiting
        self.table = known.graph.tables[name]
        self.stored = known.stored[name]
        self.beside = {n: known.stored[n] for n in known.graph.siblings(name) if n != name and n in known.stored}
        self.edges = known.graph.inputs.get(name, ())
        self.links = known.links[name]
        self.reasons_of, self.recipe_reasons = reasons_of, recipe_reasons
        self.result = Found()
        self.indexes: list[LinkIndex | None] = []
        self._of_recipe: dict[str, tuple[Reason, ...]] = {}
        domains = known.domains
        self.domains = [domains.get(each, Domain()) for each in self.table.partitions]
        self.others = {
            link.parts: known.as_stored(link.parts) for link in self.links if link is not None and not link.is_self
        }
        # What comes whole is the same for all of its partitions.
        self.whole = {
            edge.table: known.states[edge.table]
            for edge, link in zip(self.edges, self.links, strict=True)
            if link is None and edge.table not in running
        }
        self.whole_hashes = [
            (name, None if state.content is None else (state.content.content_hash, state.content.reading))
            for name, state in self.whole.items()
        ]
        self.whole_running = tuple(
            edge.table
            for edge, link in zip(self.edges, self.links, strict=True)
            if link is None and edge.table in running
        )
        self.whole_waits = next(
            (
                f"`{edge.table}` waits: {waiting[edge.table]}"
                for edge, link in zip(self.edges, self.links, strict=True)
                if link is None and edge.table in waiting
            ),
            None,
        )
        self.trouble = next(
            (failing[edge.table] for edge in self.edges if edge.table in failing and edge.table not in self.others),
            None,
        )

    def units(self) -> tuple[UnitPlan, ...]:
        """Plan the partitions; returns those that are not up to date."""
        table, result = self.table, self.result
        dimensions = table.partitions
        self.known.found[self.name] = result
        indexes: list[LinkIndex | None] = [
            None if link is None or link.is_self else LinkIndex(link, self._available(link.parts))
            for link in self.links
        ]
        keys = expected(dimensions, self.domains, [each for each in indexes if each is not None])
        if any(link is not None and link.is_self for link in self.links):
            own = [Partition(dimensions, values) for values in keys]
            indexes = [
                LinkIndex(link, own) if link is not None and link.is_self else index
                for link, index in zip(self.links, indexes, strict=True)
            ]
        # A period that has not ended is to come, as one that a calendar does not have yet.
        self.indexes = indexes = [
            LinkIndex(index.link, [each for each in self._available(index.link.parts) if each not in ahead])
            if index is not None and not index.link.is_self and (ahead := self.others[index.link.parts].ahead)
            else index
            for index in indexes
        ]
        found: list[UnitPlan] = []
        wanted = self.known.narrowing.wanted
        stored = self.stored.records
        plain = self._plain(indexes)
        for unit in as_stored(dimensions, keys, stored):
            values = unit.values
            if plain is not None and plain.take(unit, values):
                continue
            if wanted is not None and not wanted(self.name, unit):
                self._leave(unit)
                continue
            chosen = tuple([None if index is None else index.choose(values) for index in indexes])
            planned = self._unit(unit, values, chosen)
            if planned is not None:
                found.append(planned)
        seen = set(keys)
        for unit in stored:
            if unit.values in seen or not (wanted is None or wanted(self.name, unit)):
                continue
            if unit.dimensions == dimensions and is_ahead(self.domains, unit.values):
                self._leave(unit)
            else:
                planned = self._gone(unit, why_gone(table, unit, indexes, self.domains))
                if planned is not None:
                    found.append(planned)
        return tuple(self._limited(found))

    def _plain(self, indexes: Sequence[LinkIndex | None]) -> PlainUnits | None:
        """What finds those of very many partitions that are up to date; None where there is more to look at."""
        known = self.known
        table, is_narrowed = self.table, known.narrowing.wanted is not None
        if is_narrowed or known.force or table.refresh is not None or self.judge is not None:
            return None
        if self.more or self.beside or self.whole_running or self.whole_waits is not None:
            return None
        current = [each.current for each in self.domains]
        plain = PlainUnits(self.stored, self.whole_hashes, current, self._of_recipe, self.result.contents)
        for index in indexes:
            if index is not None:
                parts = index.link.parts
                if parts not in self.others or not plain.add(index, self.others[parts], known.stored[parts].reading):
                    return None
        return plain

    def _available(self, name: str) -> Collection[Partition]:
        found = self.others[name]
        return [*found.contents, *found.waiting] if found.waiting else found.contents

    def _leave(self, unit: Partition) -> None:
        """Leave a partition as it is stored, if it is; what needs it waits, if it is not."""
        if unit in self.stored.records and (record := self.stored.contents.get(unit)) is not None:
            self.result.contents[unit] = record
        else:
            self.result.waiting[unit] = _NOT_CHOSEN

    def _limited(self, found: list[UnitPlan]) -> Iterator[UnitPlan]:
        """The partitions of which no more are made than the user asked for, in their order."""
        limit, result = self.known.narrowing.limit, self.result
        due = [each for each in found if each.action == "run" and not each.drops and each.refused is None]
        if limit is None or len(due) <= limit:
            yield from found
            return
        # What reads itself is made in its order, as the last ones need those before.
        is_from_last = self.known.narrowing.newest_first and not any(each and each.is_self for each in self.links)
        chosen = due[-limit:] if is_from_last else due[:limit]
        left = {each.partition for each in due} - {each.partition for each in chosen}
        for each in found:
            if each.partition not in left:
                yield each
                continue
            result.due.discard(each.partition)
            result.contents.pop(each.partition, None)
            result.waiting[each.partition] = LEFT
            yield UnitPlan(each.partition, "wait", (Reason("left", LEFT),), each.state)

    def _unit(self, unit: Partition, values: Values, chosen: _Choice) -> UnitPlan | None:
        """Plan one partition that the table has; None where it is up to date."""
        is_open, late = open_period(self.domains, values)
        is_stored = unit in self.stored.records
        if late is not None and is_stored:
            self._leave(unit)
            return None
        if late is not None:
            self.result.ahead.add(unit)
            return self._waiting(unit, "not_ended", f"{late} has not ended")
        if (lack := self._lack(values, chosen)) is not None:
            return self._lacking(unit, *lack)
        needs: list[str] = []
        for link, members, other in self._taken(chosen):
            if other.waiting and (waits := next((m for m in members if m in other.waiting), None)) is not None:
                how = f"is {_NOT_CHOSEN}" if other.waiting[waits] == _NOT_CHOSEN else "waits"
                return self._waiting(unit, "input_waits", f"`{unit_name(link.table, waits)}` {how}")
            if other.due:
                needs += [unit_name(link.table, m) for m in members if m in other.due]
        if not needs and not is_open and not self.whole_running and self._is_up_to_date(unit, chosen):
            self.result.contents[unit] = self.stored.contents[unit]
            return None if self.judge is None else self._judged(unit, chosen, self.judge)
        if self.whole_waits is not None:
            return self._waiting(unit, "input_waits", self.whole_waits)
        return self._due(unit, chosen, tuple(needs), is_open=is_open)

    def _judged(self, unit: Partition, chosen: _Choice, judge: Judge) -> UnitPlan | None:
        """Plan a partition that is up to date by its checks; None where all of them passed."""
        state = self._state(unit)
        found = judge(unit_name(self.name, unit), state)
        if found.action == "run":
            return self._due(unit, chosen, (), is_open=False, more=found.reasons)
        if found.action == "skip" and all(each.status == "passed" for each in found.checks):
            return None
        if found.would_fail is not None:
            self.result.failing[unit] = found.would_fail
        if found.action == "check" or found.would_fail is not None:
            self.result.uncertain.add(unit)
        return UnitPlan(unit, found.action, found.reasons, state, checks=found.checks, would_fail=found.would_fail)

    def _waiting(self, unit: Partition, code: str, why: str) -> UnitPlan:
        self.result.waiting[unit] = why
        state = None
        if unit in self.stored.records:
            self.result.outdated.add(unit)
            state = self._state(unit)
        return UnitPlan(unit, "wait", (Reason(code, why),), state)

    def _lack(self, values: Values, chosen: _Choice) -> tuple[str, str, str | None] | None:
        """What a partition waits for that nothing was made of, as `_lacking` takes it; None where all is to come."""
        for link, each in zip(self.links, chosen, strict=True):
            if link is not None and each is not None and each.lacks is not None:
                return "input_missing", f"`{link.table}` has no {each.lacks}", without_source(link.table, each.lacks)
        for index, link, each in zip(self.indexes, self.links, chosen, strict=True):
            lacking = set() if link is None else self._found(link).lacking
            if not lacking or link is None or index is None or each is None:
                continue
            lost = index.lost(values, lacking)
            late = lost or next((member for member in each.members if member in lacking), None)
            if late is not None:
                gone = None if lost is None else without_source(link.table, "/".join(lost.values))
                return "input_waits", f"`{unit_name(link.table, late)}` waits", gone
        return None

    def _lacking(self, unit: Partition, code: str, why: str, gone: str | None) -> UnitPlan | None:
        """Plan a partition that would not be there, had all been computed from nothing: an input of it lacks a period.

        Args:
            unit: The partition.
            code: Of the reason why it waits, once it is not stored.
            why: It waits.
            gone: What has gone, where that is all that an input has for it; None where it may as well be to come.
        """
        if unit in self.stored.records and (gone is not None or self.table.gone == "drop"):
            found = self._gone(unit, gone or why)
            if self.table.gone != "drop":
                return found
            self.result.waiting[unit] = why  # for what needs it, as if it had never been stored
        elif (found := self._waiting(unit, code, why)).state is not None:
            return found
        self.result.lacking.add(unit)
        return found

    def _gone(self, unit: Partition, why: str) -> UnitPlan | None:
        """Plan a stored partition whose source has gone; None where it is kept."""
        gone = self.table.gone
        if gone == "keep":
            self._leave(unit)
            return None
        reason = Reason("source_gone", why)
        state = self._state(unit)
        if gone == "drop":
            self.result.dropped.add(unit)
            return UnitPlan(unit, "run", (reason,), state, drops=True)
        refused = refuse_gone(self.table, unit, why)
        self.result.contents[unit] = None
        self.result.due.add(unit)
        self.result.failing[unit] = refused.message
        return UnitPlan(unit, "run", (reason,), state, refused=refused, would_fail=refused.message)

    def _is_up_to_date(self, unit: Partition, chosen: Sequence[Chosen | None]) -> bool:
        """Whether a partition is as its index says, and that is as it would be made now; looks at no more than that."""
        record = self.stored.records.get(unit)
        content = self.stored.contents.get(unit)
        if record is None or content is None or self.known.force or record.content_hash != content.content_hash:
            return False
        if not record.recipe or self.table.refresh is not None or self.recipe_changes(unit, record):
            return False
        if unit in self.more or any(self.stored.reasons_beside(unit, self.beside)):
            return False
        inputs = record.input_hashes
        if not all(inputs.get(name) == now for name, now in self.whole_hashes):
            return False
        for link, each in zip(self.links, chosen, strict=True):
            if link is None or each is None:
                continue
            contents, reading = self._read_from(link)
            there = [(member, content) for member in each.members if (content := contents.get(member)) is not None]
            if len(there) < len(each.members):
                return False
            if inputs.get(link.record_name) != (link.content_hash(there), reading):
                return False
        return True

    def _found(self, link: Link) -> Found:
        """The partitions of an input."""
        return self.result if link.is_self else self.others[link.parts]

    def _read_from(self, link: Link) -> tuple[Mapping[Partition, InputRecord | None], str]:
        """The partitions of an input, and how each is read."""
        return self._found(link).contents, self.known.stored[link.parts].reading

    def recipe_changes(self, unit: Partition, record: Stored) -> tuple[Reason, ...]:
        """The reasons in what a partition was made by, found once for all that were made by the same."""
        found = self._of_recipe.get(record.recipe)
        if found is None:
            manifest = self.stored.manifest(unit)
            if not isinstance(manifest, Manifest):
                return (Reason("data_changed", "no manifest"),)
            found = self.recipe_reasons(manifest)
            if self.table.on_code_change == "new":
                found = tuple(each for each in found if each.code not in CODE_REASONS)
            self._of_recipe[record.recipe] = found
        return found

    def _content(self, link: Link, chosen: Chosen) -> InputRecord | None:
        """The content of what a partition gets of an input, as it is stored; None where it is not."""
        contents, reading = self._read_from(link)
        records = [(each, contents.get(each)) for each in chosen.members]
        there = [(each, record) for each, record in records if record is not None]
        if len(there) < len(records):
            return None
        return link.content(there)._replace(reading=reading)

    def _due(
        self, unit: Partition, chosen: _Choice, needs: tuple[str, ...], *, is_open: bool, more: tuple[Reason, ...] = ()
    ) -> UnitPlan | None:
        state = self._state(unit)
        chosen = tuple(
            [
                None if index is None or each is None else index.named(each)
                for index, each in zip(self.indexes, chosen, strict=True)
            ]
        )
        inputs = dict(self.whole)
        upstream = dict.fromkeys(self.whole_running)
        for link, each in zip(self.links, chosen, strict=True):
            if link is None or each is None:
                continue
            content = self._content(link, each)
            if content is None:
                upstream[link.table] = None
            else:
                inputs[link.record_name] = TableState(each.name, True, content=content)
        record = self.stored.records.get(unit)
        made = () if record is None or not record.recipe else self.recipe_changes(unit, record)
        reasons = [*self.reasons_of(unit, state, inputs, made)]
        if self.table.on_code_change == "new" and state.manifest is not None:
            reasons = [each for each in reasons if each.code not in CODE_REASONS]
        if upstream:
            names = [*upstream]
            reasons.append(Reason("upstream_runs", f"{first_named(names, 3)} {'runs' if len(names) == 1 else 'run'}"))
        reasons += (*self.stored.reasons_beside(unit, self.beside), *more, *filter(None, [self.more.get(unit)]))
        if is_open:
            reasons = [each for each in reasons if each.code != "partition_open"]
            reasons.append(Reason("partition_open", "its period has not ended"))
        if self.known.force:
            reasons.append(Reason("forced", "forced (`--force`)"))
        if not reasons and self.table.refresh is not None:  # its age was looked at
            self.result.contents[unit] = self.stored.contents[unit]
            return None
        reasons = reasons or [Reason("input_changed", "there is no record of what it was made from")]
        refused = self._misread(chosen) or self._refusal(unit, state)
        would_fail = self.trouble or self._trouble_of(chosen)
        if would_fail is None and refused is not None:
            would_fail = f"`{unit_name(self.name, unit)}` stays as it is: {refused.message}"
        needs = (*needs, *self._uncertain(chosen))
        self.result.due.add(unit)
        self.result.contents[unit] = None
        if would_fail is not None:
            self.result.failing[unit] = would_fail
        return UnitPlan(unit, "run", tuple(reasons), state, chosen, needs, refused, would_fail, is_open=is_open)

    def _taken(self, chosen: _Choice) -> Iterator[tuple[Link, Sequence[Partition], Found]]:
        """The partitions that one gets, by input, with what the plan makes of all of the input's."""
        for link, each in zip(self.links, chosen, strict=True):
            if link is not None and each is not None:
                yield link, each.members, self._found(link)

    def _uncertain(self, chosen: _Choice) -> Iterator[str]:
        """The partitions that it reads, and whose checks may keep it from being made."""
        for link, members, found in self._taken(chosen):
            if found.uncertain:
                yield from (unit_name(link.table, member) for member in members if member in found.uncertain)

    def _trouble_of(self, chosen: _Choice) -> str | None:
        for _, members, found in self._taken(chosen):
            if found.failing and (bad := next((m for m in members if m in found.failing), None)) is not None:
                return found.failing[bad]
        return None

    def _misread(self, chosen: _Choice) -> StorageError | None:
        """Why what it gets cannot be read as it is stored; None where it can be."""
        stored = self.known.stored
        found = (stored[link.parts].why_misread(members, of.contents) for link, members, of in self._taken(chosen))
        return next(filter(None, found), None)

    def _refusal(self, unit: Partition, state: TableState) -> StorageError | None:
        """Why a run leaves it as it is."""
        refused = state.refusal(force=self.known.force)
        if refused is None and state.unclaimed and not self.known.force:
            return self.stored.obstruction(unit)
        return refused

    def _state(self, unit: Partition) -> TableState:
        stored = self.stored
        content, found = stored.contents.get(unit), stored.manifest(unit)
        manifest = found if isinstance(found, Manifest) else None
        trouble = found if isinstance(found, StorageError) else None
        content = None if content is None else content._replace(reading=stored.reading)
        state = TableState(stored.uri(unit), content is not None, stored.trouble, content, manifest, trouble)
        return replace(state, other_options=stored.misread[unit]) if unit in stored.misread else state
