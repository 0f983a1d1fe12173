"""The live table, drawn on a pretended terminal."""

from __future__ import annotations

import io
import re

import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import Example as BadValue
from lakehouse_cli.errors import Location, Problem, Violation
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.rendering.reporters.live import LiveReporter
from lakehouse_cli.rendering.reporters.problems import problem_lines
from lakehouse_cli.rendering.reporters.region import plain_line
from lakehouse_cli.rendering.reporters.run_text import clock_text, failure_lines, layout, result_line, why_text
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.runs.events import (
    Event,
    PartitionFinished,
    PartitionResult,
    RunEstimated,
    RunFinished,
    RunResult,
    RunStarted,
    RunStopping,
    RunTrouble,
    RunWaiting,
    TableComputed,
    TableFinished,
    TablePlaced,
    TableReading,
    TableResult,
    TableRetrying,
    TableStarted,
)
from lakehouse_cli.text.terminal import Terminal, text_width

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """The lines that a terminal shows that is as high as it takes."""
        lines, row = [""], 0
        for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\n|\r)", self.getvalue()):
            if part == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif part.endswith("A") and part.startswith("\x1b"):
                row -= int(part[2:-1])
                assert row >= 0, "it draws over what was there before it"
            elif part == "\x1b[2K":
                lines[row] = ""
            elif part == "\x1b[J":
                del lines[row:]
                lines.append("")
            elif part.startswith("\x1b") or part == "\r":
                assert part == "\r" or part.endswith("m"), f"{part!r} is none of the few sequences that are written"
            else:
                lines[row] += part
        return lines


class Table:
    """A live table of so many tables, on a screen of its own, which is drawn when it is asked for."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, names: list[str], size: str = "80x24", *, first_run: bool = False
    ) -> None:
        columns, lines = size.split("x")
        monkeypatch.setenv("COLUMNS", columns)
        monkeypatch.setenv("LINES", lines)
        self.screen = Screen()
        terminal = Terminal(color=True, width=int(columns), height=int(lines), interactive=True)
        self.reporter = LiveReporter(self.screen, terminal)
        started = RunStarted("20260101-000000-abcd", "shop", "default", tuple(names))
        self.reporter.handle(replace(started, first_run=True) if first_run else started)

    def take(self, *events: Event) -> None:
        for event in events:
            self.reporter.handle(event)

    def lines(self) -> list[str]:
        """What it shows, without styles."""
        return [CODES.sub("", line) for line in self.reporter._frame()]

    def end(self, results: list[TableResult]) -> list[str]:
        """What stays on the screen."""
        failed = any(each.status == "failed" for each in results)
        run = RunResult("id", "shop", "default", "failed" if failed else "success", "", "", 0.6, tuple(results))
        self.take(RunFinished(run))
        return self.screen.shown()


def finished(name: str, status: str = "materialized", error: ErrorInfo | None = None) -> TableResult:
    reasons = (Reason("never_materialized", "never materialized, and a long story besides about why that is so"),)
    return TableResult(name, status, reasons, 91, 1_900, 0.04, f"data/{name}.csv", 1, error)  # type: ignore[arg-type]


def last_screen(
    names: list[str], results: list[TableResult], monkeypatch: pytest.MonkeyPatch, width: int, height: int = 24
) -> list[str]:
    """The lines that stay on the screen after a run."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", str(height))
    stream = Screen()
    terminal = Terminal(color=True, width=width, height=height, interactive=True)
    reporter = LiveReporter(stream, terminal)
    reporter.handle(RunStarted("20260101-000000-abcd", "shop", "default", tuple(names)))
    for result in results:
        reporter.handle(TableStarted(result.name))
        reporter.handle(TableFinished(result))
    drawn = stream.tell()
    failed = any(r.status == "failed" for r in results)
    run = RunResult("id", "shop", "default", "failed" if failed else "success", "", "", 0.6, tuple(results))
    reporter.handle(RunFinished(run))
    lines = CODES.sub("", stream.getvalue()[drawn:]).replace("\r", "").strip("\n").splitlines()
    # The frame that is drawn last is taken away again; what stays begins with the last header.
    header = max(index for index, line in enumerate(lines) if line.startswith("  table"))
    return lines[header:]


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_rows_fit_the_width(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    names = ["daily_temperature_highs", "x"]
    lines = last_screen(names, [finished(name) for name in names], monkeypatch, width)
    assert all(text_width(line) <= width for line in lines)
    assert any(line.startswith("✓ daily") for line in lines)
    assert lines[-1] == "2 materialized in 0.60 s"


@pytest.mark.parametrize(("size", "shown"), [("80x24", "on tcp://dask-worker-17.a…"), ("140x24", "on {}")])
def test_worker_that_has_a_table(monkeypatch: pytest.MonkeyPatch, size: str, shown: str) -> None:
    """It is named as far as there is room, also of the next attempt; not between the two, nor when all is done."""
    long, short = "tcp://dask-worker-17.analytics.example.org:40001", "tcp://10.0.0.7:40001"
    table = Table(monkeypatch, ["daily_temperature_highs", "x"], size)
    table.take(TableStarted("daily_temperature_highs"), TablePlaced("daily_temperature_highs", long))
    why = table.lines()[1].index("why")

    def said() -> list[str]:
        return [line[why:] for line in table.lines()[2:4]]

    assert said() == [shown.format(long), ""]
    table.take(TableRetrying("daily_temperature_highs", 1, 0.0, ErrorInfo("TimeoutError", "late")))
    assert said()[0].startswith("attempt 2")
    table.take(TablePlaced("daily_temperature_highs", short))
    assert said() == [f"on {short}", ""]
    table.take(TableFinished(finished("daily_temperature_highs")))
    assert said()[0].startswith("never materialized")


def test_time_that_a_table_waits_for_a_worker_is_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    table = Table(monkeypatch, ["x"])
    table.take(TableStarted("x"))
    for event, seconds in ((None, 50), (TablePlaced("x", "tcp://10.0.0.7:40001"), 3)):
        table.take(*([event] if event else []))
        now[0] += seconds
        assert clock_text(seconds) in table.lines()[2]


def test_on_a_narrow_screen_the_reason_has_room_first(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["daily_temperature_highs", "x"]
    header = {w: last_screen(names, [finished(n) for n in names], monkeypatch, w)[0].split() for w in (40, 80, 140)}
    assert header[40] == ["table", "time", "why"]
    assert header[80] == ["table", "state", "rows", "time", "why"]
    assert header[140] == ["table", "state", "rows", "size", "time", "why"]
    for width in (80, 140):
        assert "never materialized, and" in last_screen(names, [finished(n) for n in names], monkeypatch, width)[1]


def test_final_rows_show_all(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = last_screen(["a", "b"], [finished("a"), finished("b", "skipped")], monkeypatch, 80)
    why = lines[0].index("why")
    reported = " ".join(line[why:].strip() for line in lines[1:-2])
    assert reported.count("never materialized, and a long story besides about why that is so") == 2


def test_the_last_line_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a", "b"]
    results = [finished("a"), finished("b", "failed", ErrorInfo("TransformError", "boom"))]
    assert last_screen(names, results, monkeypatch, 28)[-2:] == ["1 materialized, 1 failed in", "0.60 s"]


def test_more_tables_than_the_screen_holds_are_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"t{i}" for i in range(1000)]
    results = [finished(name) for name in names]
    results[500] = finished("t500", "failed", ErrorInfo("TransformError", "boom"))
    lines = last_screen(names, results, monkeypatch, 80, 24)
    assert len(lines) < 24
    assert any(line.startswith("✗ t500") for line in lines)
    rest = next(line for line in lines if line.startswith("  … and "))
    shown = sum(line.startswith("✓") for line in lines)
    assert rest == f"  … and {999 - shown} materialized"
    assert lines[-1] == "999 materialized, 1 failed in 0.60 s"


def test_failures_show_rows_values_and_places() -> None:
    place = Location("lakehouse.yaml", 31, 7)
    violation = Violation(
        "max_tmpf",
        "null",
        3,
        "column `max_tmpf` has 3 nulls but is declared `nullable: false`",
        (BadValue(4, "null"), BadValue(17, "null")),
        place,
    )
    error = ErrorInfo(
        "ContractError",
        "column `max_tmpf` has 3 nulls but is declared `nullable: false`",
        "allow nulls",
        place,
        (violation,),
        note="data/report.csv is as it was on 2026-11-21 18:04",
    )
    lines = failure_lines(Terminal(), [finished("report", "failed", error), finished("fine")])
    assert lines == [
        "report  column `max_tmpf` has 3 nulls but is declared `nullable: false`",
        "  lakehouse.yaml:31:7",
        "    rows 4, 17 and 1 more",
        "  next: allow nulls",
        "  data/report.csv is as it was on 2026-11-21 18:04",
    ]


def test_shared_cause_of_failures_is_shown_once() -> None:
    def failed(name: str, kind: str) -> TableResult:
        message = f"s3://lake/{name}.csv cannot be looked at: the server does not answer"
        return finished(name, "failed", ErrorInfo(kind, message, "look whether it runs"))

    down = [failed(f"t{number}", "UnreachableError") for number in range(6)]
    assert {why_text(result) for result in down} == {"the server does not answer"}
    assert failure_lines(Terminal(), [*down, failed("other", "StorageError")]) == [
        "t0, t1, t2, t3 and 2 more tables  s3://lake/t0.csv cannot be looked at: the server does not answer",
        "  next: look whether it runs",
        "other  s3://lake/other.csv cannot be looked at: the server does not answer",
        "  next: look whether it runs",
    ]


def test_a_long_cause_is_cut_later_in_a_log() -> None:
    message = "it says " + "no " * 100 + "end"
    result = finished("t", "failed", ErrorInfo("TransformError", message))
    screen, log = Terminal(width=100), Terminal()
    line = result_line(screen, layout(screen, ["t"]), result)
    assert line.endswith("…")
    assert len(line) <= 100
    line = result_line(log, layout(log, ["t"]), result)
    assert line.endswith("…")
    assert message[:190] in line


def test_one_long_name_hides_no_column_of_others() -> None:
    terminal, names = Terminal(width=80), [f"table_{number}" for number in range(99)]
    assert layout(terminal, [*names, "x" * 60]).shown == layout(terminal, names).shown == ("state", "rows", "time")
    # Where there is room for it, it is not shortened.
    assert layout(Terminal(width=160), [*names, "x" * 60]).name == 60
    # Nor where there are few tables.
    assert layout(terminal, [*names[:3], "x" * 60]).shown == ("state", "rows", "time")


def test_row_shows_the_cause_without_its_subject() -> None:
    reported = {
        "s3://lake/a.csv cannot be written: the disk is full": "the disk is full",
        "`t` raised RuntimeError: <str() raised ValueError>": None,
        "`t` raised OSError: that cannot be opened: it is gone": None,
    }
    for message, cause in reported.items():
        assert why_text(finished("t", "failed", ErrorInfo("TransformError", message))) == (cause or message)


def test_errors_keep_their_place_on_a_narrow_terminal() -> None:
    reported = "totals.csv cannot be read: it was written by a program that nobody knows"
    error = ErrorInfo("StorageError", reported, hint="write it again with a program that somebody knows")
    assert failure_lines(Terminal(width=40), [finished("totals", "failed", error)]) == [
        "totals  totals.csv cannot be read: it\n    was written by a program that nobody\n    knows",
        "  next: write it again with a program\n    that somebody knows",
    ]
    shown = failure_lines(Terminal(), [finished("t", "failed", ErrorInfo("TransformError", "plan:\n\tSCAN"))])
    assert shown == ["t  plan:", "      SCAN"]
    problem = Problem(reported, hint=error.hint)
    assert problem_lines(Terminal(width=40), problem) == [
        "error: totals.csv cannot be read: it was\n       written by a program that nobody\n       knows",
        "  write it again with a program that\n    somebody knows",
    ]


def test_code_fits_a_narrow_terminal() -> None:
    code = 'raise ValueError("東京都の最高気温が高すぎる。東京都の最高気温が高すぎる。", highs, lows)'
    error = ErrorInfo("TransformError", "東京都の最高気温" * 9, frames=(("transforms.py", 3, "highs", code),))
    place = Location("transforms.py", 3, len(code) - 4, 4, code)
    problem = problem_lines(
        Terminal(width=60), Problem("東京都の最高気温" * 9, "a hint in more words than there is room for", place)
    )
    for lines in (failure_lines(Terminal(width=60), [finished("highs", "failed", error)]), problem):
        assert all(text_width(line) <= 60 for each in lines for line in each.split("\n"))
    excerpt, pointer = problem[-3:-1] if "hint" not in problem[-2] else problem[-4:-2]
    assert text_width(excerpt[: excerpt.index("lows")]) == pointer.index("^")


def test_a_terminal_without_unicode_gets_ascii() -> None:
    error = ErrorInfo("TransformError", "naïve → “quoted” …")
    lines = failure_lines(Terminal(unicode=False), [finished("report", "failed", error)])
    assert all(line.isascii() for line in lines)


def test_live_table_shows_retry_and_second_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    stream = Screen()
    reporter = LiveReporter(stream, Terminal(width=140, height=24, interactive=True))
    reporter.handle(RunStarted("20260101-000000-abcd", "shop", "default", ("a", "b")))
    for name in ("a", "b"):
        reporter.handle(TableStarted(name))
    reporter.handle(TableRetrying("a", 1, 2.0, ErrorInfo("TransformError", "red \x1b[31mred\r\x07\ntwo")))
    reporter.handle(RunStopping(("a", "b")))
    reporter.print_above("and so it is drawn")
    reporter.close()
    shown = CODES.sub("", stream.getvalue())
    assert r"attempt 2 in 2 s; before: red \x1b[31mred\r\x07" in shown
    assert "\x07" not in shown
    assert "two" not in shown
    assert "finishing 2 tables; Ctrl-C again stops at once" in shown


def test_partitions_that_fail_are_counted_while_a_table_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    reporter = LiveReporter(Screen(), Terminal(width=140, height=24, interactive=True))
    reporter.handle(RunStarted("20260101-000000-abcd", "shop", "default", ("daily",)))
    reporter.handle(TableStarted("daily"))
    boom = ErrorInfo("TransformError", "boom")
    reporter.handle(TableRetrying("daily", 1, 2.0, boom, "day=2024-01-02"))
    reporter.handle(PartitionFinished("daily", PartitionResult({"day": "2024-01-01"}, "failed", error=boom), 1, 4))
    assert "██░░░░░░░░ 1/4, 1 failed; day=2024-01-02: attempt 2 in 2 s; before: boom" in reporter._lines()[1]
    reporter.handle(PartitionFinished("daily", PartitionResult({"day": "2024-01-02"}, "materialized"), 2, 4))
    assert reporter._lines()[1].endswith("█████░░░░░ 2/4, 1 failed")
    reporter.close()
    monkeypatch.setenv("COLUMNS", "40")
    narrow = LiveReporter(Screen(), Terminal(width=40, height=24, interactive=True))
    narrow.handle(RunStarted("20260101-000000-abcd", "shop", "default", ("daily",)))
    narrow.handle(TableStarted("daily"))
    narrow.handle(PartitionFinished("daily", PartitionResult({"day": "2024-01-01"}, "failed", error=boom), 37, 120))
    assert narrow._lines()[1].endswith(" s  37/120, 1 failed")
    narrow.close()


def test_what_waits_for_the_rest_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    stream = Screen()
    reporter = LiveReporter(stream, Terminal(color=True, width=100, height=24, interactive=True))
    reporter.handle(RunStarted("20260101-000000-abcd", "shop", "default", ("daily", "report")))
    reporter.handle(TableStarted("daily"))
    reporter.handle(TableComputed("daily", 91, 0.04))
    drawn = CODES.sub("", "\n".join(reporter._lines()))
    assert re.search(r"✓ daily +computed +91 +0.04 s", drawn)
    assert "report  waiting" in drawn
    reporter.close()


def test_row_says_how_many_files_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    reporter = LiveReporter(Screen(), Terminal(color=True, width=100, height=24, interactive=True))
    reporter.handle(RunStarted("20260101-000000-abcd", "shop", "default", ("daily", "report")))
    reporter.handle(TableStarted("daily"))
    reporter.handle(TableReading("daily", "sales", 2_000, 6_000))
    assert re.search(r"daily +running .* sales: 2,000 of 6,000 files read", CODES.sub("", "\n".join(reporter._lines())))
    reporter.handle(TableReading("daily", "sales", 6_000, 6_000))
    assert "files read" not in "\n".join(reporter._lines())
    reporter.close()


def test_waits_and_lacks_are_shown_above_the_table() -> None:
    stream = Screen()
    reporter = LiveReporter(stream, Terminal(width=80, height=24, interactive=True))
    reporter.handle(RunWaiting("another run holds `default`"))
    assert stream.getvalue() == "another run holds `default`\n"
    reporter.handle(RunStarted("20260101-000000-abcd", "shop", "default", ("a",)))
    reporter.handle(RunTrouble("locks do not work in .lakehouse/locks (read-only file system)"))
    reporter.close()
    shown = CODES.sub("", stream.getvalue())
    reported = shown.index("locks do not work in .lakehouse/locks (read-only file system)\n")
    assert shown.index("shop · default · run") < reported < shown.rindex("a  ")


def test_footer_says_how_far_the_run_is(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(monkeypatch, names := ["a", "b", "c", "d"])
    assert re.fullmatch(r"░{10} 0/4 · \d+\.\d+ s", table.lines()[-1]), "without a history nothing is expected"
    table.take(RunEstimated(80.0, dict.fromkeys(names, 40.0)))
    assert table.lines()[-1].endswith(" s · about 80 s left")
    table.take(TableStarted("a"), TableStarted("b"), TableFinished(finished("a")))
    table.take(TableFinished(finished("b", "failed", ErrorInfo("TransformError", "boom"))))
    assert re.fullmatch(r"█{5}░{5} 2/4 · 1 failed · \d+\.\d+ s · about 40 s left", table.lines()[-1])
    table.take(TableStarted("c"), RunStopping(("c",)))
    assert "left" not in table.lines()[-2]
    finishing = "finishing 1 table; Ctrl-C again stops at once"
    assert table.lines()[-1] == finishing
    region = table.reporter._region
    assert region is not None
    region._draw()
    assert finishing in table.screen.shown()
    table.take(TableFinished(finished("c")))
    region._draw()
    assert table.screen.shown()[-2].startswith("███████░"), "a line less is drawn, and none is left"
    table.reporter.close()


def test_of_partitions_the_whole_run_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(monkeypatch, ["daily"])
    table.take(RunEstimated(7_200.0, {}), TableStarted("daily"))
    assert table.lines()[-1].endswith(" · about 2 h left")
    table.reporter.close()


def test_rows_are_those_that_failed_that_run_and_that_ended_last(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"t{number:03}" for number in range(200)]
    table = Table(monkeypatch, names)
    boom = ErrorInfo("TransformError", "boom")
    unchanged = [TableResult(name, "unchanged") for name in names[:50]]
    failed = [finished(name, "failed", boom) for name in names[50:59]]
    materialized = [finished(name) for name in names[59:100]]
    table.take(*map(TableFinished, (*unchanged, *failed, *materialized)), *map(TableStarted, names[100:104]))
    lines = table.lines()
    assert len(lines) < 24
    assert [line.split()[1] for line in lines[2:17]] == [
        *(name for name in names[50:55]),
        *(name for name in names[100:104]),
        *(name for name in names[99:93:-1]),
    ]
    assert all(re.search(r" \d+\.\d+ s", line) for line in lines if line.startswith("▸"))
    assert lines[17] == "  … and 4 failed, 35 materialized, 50 unchanged, 96 waiting"
    table.reporter.close()


def test_running_rows_keep_their_time_on_a_narrow_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(monkeypatch, names := ["daily_temperature_highs", "x"], "30x24")
    table.take(*map(TableStarted, names))
    assert all(re.search(r"^▸ .* \d+\.\d+ s$", line) for line in table.lines()[2:4])
    table.reporter.close()
    times = {99.94: "99.9 s", 99.96: "1:40", 3_599.4: "59:59", 3_600: "1:00:00", 36_061: "10:01:01"}
    assert {seconds: clock_text(seconds) for seconds in times} == times


@pytest.mark.parametrize("width", [9, 12, 16, 20, 25, 40])
def test_no_line_is_wider_than_a_very_narrow_screen(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    table = Table(monkeypatch, names := ["daily_temperature_highs", "x", *map(str, range(40))], f"{width}x16")
    table.take(
        TableStarted(names[0]),
        TableFinished(finished("1")),
        TableFinished(finished("2", "failed", ErrorInfo("ValueError", "boom"))),
    )
    lines = table.lines()
    assert [line for line in lines if text_width(line) > width] == []
    assert any(line.startswith("▸ d") for line in lines) or width < 12
    assert lines[-1].startswith("2/42") or width == 40
    table.reporter.close()


def test_row_of_a_retry_says_when_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(monkeypatch, ["a", "b"], "100x24")
    error = ErrorInfo("TransformError", "`a` raised OSError: the server is busy")
    table.take(TableStarted("a"), TableStarted("b"), TableRetrying("a", 1, 3_600.0, error))
    table.take(TableRetrying("b", 2, 0.0, error))
    waits, runs = table.lines()[2:4]
    assert re.fullmatch(r"▸ a +retrying +\d+\.\d+ s +attempt 2 in \d{4} s; before: OSError: the s.*…", waits)
    assert re.fullmatch(r"▸ b +running +\d+\.\d+ s +attempt 3; before: OSError: the server is busy", runs)
    table.reporter.close()


def test_first_run_says_once_that_nothing_was_materialized(monkeypatch: pytest.MonkeyPatch) -> None:
    never, runs = Reason("never_materialized", "never materialized"), Reason("upstream_runs", "`a` runs")
    long = "daily_temperature_highs_in_f"
    results = [replace(finished(long), reasons=(never,)), replace(finished("b"), reasons=(never, runs))]
    table = Table(monkeypatch, [long, "b"], first_run=True)
    table.take(*map(TableFinished, results))
    shown = "\n".join(table.end(results))
    assert "run 20260101-000000-abcd · first run: never materialized\n" in shown
    assert shown.count("never") == 1
    cut = Terminal().cut_middle
    assert f"\n✓ {cut(long, 26)}  materialized         91   0.04 s\n" in shown, "names have the room of reasons"
    table = Table(monkeypatch, [long, "b"], first_run=True)
    table.take(
        *map(TableFinished, results), TableFinished(finished("b", "failed", ErrorInfo("TransformError", "boom")))
    )
    assert f"\n✓ {cut(long, 16)}  materialized         91   0.04 s\n" in "\n".join(table.end(results))
    assert "runs" not in shown


def test_blocked_tables_name_the_upstream_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = "a_table_of_a_name_so_long_that_no_screen_of_this_width_holds_it_beside_others"
    results = [
        finished(upstream, "failed", ErrorInfo("TransformError", f"`{upstream}` raised ValueError: no station")),
        finished("blocked", "skipped", ErrorInfo("UpstreamError", f"`{upstream}` failed")),
    ]
    table = Table(monkeypatch, [upstream, "blocked"])
    table.take(*map(TableFinished, results))
    lines = table.end(results)
    assert "ValueError: no station" in lines[3]
    assert re.fullmatch(r"○ blocked +skipped .* `a_table_of_a…hers` failed", lines[4])
    assert lines[5] == ""


def test_printed_lines_stand_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(monkeypatch, ["a"])
    table.take(TableStarted("a"))
    for line in ("one", "", "\x1b[31mred", "10 %\r20 %\x1b[2A\x07", "wide " * 30):
        table.reporter.print_above(line)
    shown = table.screen.shown()
    assert shown[:9] == [
        *("shop · default · run 20260101-000000-abcd", "", "one", "", "red", "20 %", "wide " * 30, ""),
        "  table  state              rows     size     time  why",
    ]
    table.take(TableFinished(finished("a")))
    ended = table.end([finished("a")])
    assert ended[:8] == shown[:8]
    assert ended[9].startswith("✓ a ")
    assert ended.count("") == 5, "nothing of the table as it was is left"


@pytest.mark.parametrize(
    ("printed", "color", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", True, "\x1b[1;31mred\x1b[0m\x1b[0m"),
        ("\x1b[1;31mred", False, "red"),
        ("a\tb", True, "a       b"),
        ("\x1b]0;title\x07text\x1b[?25l\x9b2J\x08", True, "text2J"),
        ("progress 1\rprogress 2\r", True, "progress 2"),
    ],
)
def test_printed_lines_move_no_cursor(printed: str, color: bool, shown: str) -> None:
    assert plain_line(printed, color=color) == shown
