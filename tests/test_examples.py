"""Every example and template, run as a user runs it: from a wheel, installed in an environment of its own."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path

import pytest
import yaml

from tests.servers.postgresql import PASSWORD, PostgreSQL
from tests.servers.s3 import S3Server

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(file.parent.name for file in (ROOT / "examples").glob("*/pytest.ini"))
# Those that are declared in Python without a project file, by their module.
MODULES = {"simple_lakehouse": "assets"}
# Those whose data their generator makes; here less of them than their README says.
GENERATED = {"nightly": ("generate.py", "--days", "35")}
TEMPLATES = sorted(file.parent.name for file in (ROOT / "project_templates").glob("*/template.txt"))
NEEDS = {"sql": "'lakehouse-cli[duckdb]'", "ml": "'lakehouse-cli[ml]'"}
GENERATOR = ROOT / "examples" / "weather" / "generate.py"


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel installed."""

    folder: Path

    def run(self, command: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a command as a user of this environment would."""
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("LAKEHOUSE_", "PYTHON", "PYTEST"))
        }
        path = f"{self.folder / 'bin'}{os.pathsep}{kept.get('PATH', '')}"
        env = {**kept, "PATH": path, "PYTHONWARNINGS": "error", "PYTHONUTF8": "1"}
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)

    def lakehouse(self, *arguments: str, cwd: Path, code: int = 0) -> str:
        """What `lakehouse` writes to stdout; it must exit with `code`."""
        done = self.run([str(self.folder / "bin" / "lakehouse"), *arguments], cwd)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def shell(self, script: str, cwd: Path, *, code: int = 0) -> str:
        """What a script of shell commands writes, stdout and stderr as they come."""
        done = self.run(["bash", "-e", "-o", "pipefail", "-c", f"exec 2>&1\n{script}"], cwd)
        assert done.returncode == code, f"{script}\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel of this tree in an environment of its own; made once, whatever number of workers need it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "installed"
    with (shared / "installed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            _install(folder)
            (folder / "done").touch()
    return Installed(folder)


def _install(folder: Path) -> None:
    """Build the wheel and install it with pip, offline: the dependencies are those of the interpreter running this."""

    make_environment(folder)
    build_and_install(folder, ROOT)


def succeed(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def build_and_install(folder: Path, source: Path) -> None:
    """Install the wheel of a distribution in an environment."""
    succeed(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(source))
    (wheel,) = (folder / "dist").glob("*.whl")
    pip = (sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "--disable-pip-version-check")
    succeed(*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel))


def make_environment(folder: Path, *others: Path) -> None:
    """Make an environment that has what is installed in others, in the order given, and where pytest runs."""
    succeed(sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder))
    pytest_script = folder / "bin" / "pytest"
    pytest_script.write_text(f"#!{folder / 'bin' / 'python'}\nimport pytest\n\nraise SystemExit(pytest.main())\n")
    pytest_script.chmod(0o755)
    # A folder named in a .pth file has its own .pth files left alone: an editable install in it stays out.
    own = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    paths = dict.fromkeys([*(str(packages_of(other)) for other in others), *own])
    (packages_of(folder) / "dependencies.pth").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")


def packages_of(folder: Path) -> Path:
    """Where an environment has its packages."""
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows_of(file: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


def copy_of(project: Path, target: Path) -> Path:
    """A project as it is in version control: without what earlier runs stored."""
    ignored = shutil.ignore_patterns(".lakehouse", "__pycache__", ".*_cache", "reports", "made")
    shutil.copytree(project, target, ignore=ignored)
    for stored in (target / "data").glob("*.csv"):
        stored.unlink()
    return target


def generate_data(example: str, project: Path) -> None:
    """Make the data of an example that has a generator in the place of data."""
    if example in GENERATED:
        subprocess.run([sys.executable, *GENERATED[example]], cwd=project, check=True, capture_output=True)


def ci_commands(project: Path) -> list[str]:
    workflow = yaml.safe_load((project / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


@pytest.mark.slow
def test_what_runs_is_the_wheel(installed: Installed, tmp_path: Path) -> None:
    script = (
        "import lakehouse_cli, lakehouse_cli.scaffold as s; print(lakehouse_cli.__file__, s.templates()['shop'].folder)"
    )
    python = str(installed.folder / "bin" / "python")
    for path in installed.run([python, "-c", script], tmp_path).stdout.split():
        assert Path(path).is_relative_to(installed.folder)
        assert "site-packages" in path


@pytest.mark.slow
def test_templates_are_listed(installed: Installed, tmp_path: Path) -> None:
    lines = installed.lakehouse("init", "--list-templates", cwd=tmp_path).splitlines()
    assert [line.split()[0] for line in lines] == ["minimal", "ml", "shop", "sql", "weather"] == TEMPLATES
    listed = json.loads(installed.lakehouse("init", "--list-templates", "-o", "json", cwd=tmp_path))
    assert [template["name"] for template in listed["templates"]] == TEMPLATES
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("template", TEMPLATES)
def test_scaffolded_template_runs_and_passes_its_ci(installed: Installed, tmp_path: Path, template: str) -> None:
    installed.lakehouse("init", "mine", "--template", template, cwd=tmp_path)
    project = tmp_path / "mine"
    scaffolded = {name: content for name, content in files_of(project).items() if not name.startswith(".lakehouse/")}
    commands = ci_commands(project)
    has_pytest = (project / "tests").exists()
    assert commands == [
        f"pip install --find-links wheels {NEEDS.get(template, 'lakehouse-cli')}{' pytest' if has_pytest else ''}",
        "lakehouse validate",
        "lakehouse test",
        "lakehouse run",
        *(["pytest"] if has_pytest else []),
    ]
    reported = {command: installed.shell(command, project) for command in commands[1:]}
    assert template != "shop" or "dropped `ordered_at`, `coupon`" in reported["lakehouse run"]
    if (check := STORED.get(f"project_templates/{template}")) is not None:
        check(project)
    computed = [t["name"] for t in installed_tables(installed, project) if t["kind"] == "computed"]
    assert {Path(name).stem for name in files_of(project) if name.startswith("data/")} >= {*computed}
    after = files_of(project)
    assert {name: after[name] for name in scaffolded} == scaffolded, "a run changes none of the scaffolded files"
    ignored = installed.shell("git init -q . && git add -A && git ls-files", project).split("\n")
    assert {*filter(None, ignored)} == {*scaffolded}, ".gitignore leaves out what a run makes, and nothing else"


def installed_tables(installed: Installed, project: Path, *module: str) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = json.loads(installed.lakehouse(*module, "ls", "-o", "json", cwd=project))["tables"]
    return listed


def minimal_computes_its_summary(project: Path) -> None:
    stored = (project / "data" / "sensor_summary.csv").read_text()
    assert stored == "sensor,readings,mean_celsius\n007,3,18.25\n012,2,16.0\n040,0,\n"


def shop_reports_what_its_exports_say(project: Path) -> None:
    orders = {order["id"]: order for order in rows_of(project / "exports" / "orders.csv", ";")}
    totals: dict[str, Decimal] = dict.fromkeys(orders, Decimal("0.00"))
    for line in rows_of(project / "exports" / "order_lines.csv", ";"):
        price = int(line["quantity"]) * Decimal(line["unit_price"].replace(",", "."))
        # In thousandths of a cent, whole numbers; half a cent up.
        exact = int(price * 100) * (100 - int(line["discount_percent"] or 0))
        totals[line["order_id"]] += Decimal((exact + 50) // 100) / 100
    stored = {row["order_id"]: Decimal(row["total"]) for row in rows_of(project / "data" / "order_totals.csv")}
    assert stored == totals
    months: dict[str, Decimal] = defaultdict(Decimal)
    for order in orders.values():
        if order["status"] not in ("cancelled", "returned"):
            day, month, year = order["ordered_at"][:10].split(".")
            assert day
            months[f"{year}-{month}-01"] += totals[order["id"]]
    reports = project / "data" / "reports"
    assert {row["month"]: Decimal(row["revenue"]) for row in rows_of(reports / "revenue_by_month.csv")} == months
    customers = rows_of(reports / "best_customers.csv")
    assert [row["rank"] for row in customers] == ["1", "2", "3", "4", "5"]
    assert {"Mary Null", "Petrus Shikongo"} <= {row["name"] for row in customers}
    assert {row["name"]: (row["customer_id"], row["country"]) for row in customers}["Petrus Shikongo"] == (
        "00042",
        "NA",
    )
    assert [row["points"] for row in customers if row["name"] == "Tomás Herrera"] == [""]
    unsold = [row for row in rows_of(reports / "product_sales.csv") if row["sold"] == "0"]
    assert [(row["sku"], row["revenue"], row["last_sold"]) for row in unsold] == [("0044-A", "0.00", "")]


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs_and_its_tests_pass(installed: Installed, tmp_path: Path, example: str) -> None:
    project = copy_of(ROOT / "examples" / example, tmp_path / example)
    generate_data(example, project)
    module = ("-m", MODULES[example]) if example in MODULES else ()
    installed.lakehouse(*module, "validate", cwd=project)
    ran = json.loads(installed.lakehouse(*module, "run", "-o", "json", cwd=project))
    assert ran["status"] == "success"
    installed.shell("pytest", project)
    if (check := STORED.get(f"examples/{example}")) is not None:
        check(project)
    kinds = {table["name"]: table["kind"] for table in installed_tables(installed, project, *module)}
    # Of a source that has checks a run says what they found.
    computed = {name for name, kind in kinds.items() if kind == "computed"}
    assert {table["name"] for table in ran["tables"] if kinds[table["name"]] == "computed"} == computed


def weather_stores_what_the_observations_say(project: Path) -> None:
    highs: dict[tuple[str, str], float] = {}
    counts: Counter[str] = Counter()
    rain: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows_of(project / "data" / "raw" / "observations.csv"):
        counts[row["station"]] += 1
        rain[row["station"]] += Decimal(row["p01i"])
        if row["tmpf"] != "M":
            place = (row["station"], row["valid"][:10])
            highs[place] = max(highs.get(place, -999.0), float(row["tmpf"]))
    stored = rows_of(project / "data" / "daily_highs.csv")
    assert {(row["station"], row["day"]): float(row["high"]) for row in stored} == highs
    assert len(highs) == 4 * 91 - 1, "Reno is silent for a day"
    changes = {(row["station"], row["day"]): row["change"] for row in rows_of(project / "data" / "day_to_day.csv")}
    assert changes["RNO", "2025-05-15"] == ""
    expected = highs["SFO", "2025-05-15"] - highs["SFO", "2025-05-14"]
    assert float(changes["SFO", "2025-05-15"]) == pytest.approx(expected)
    hottest = rows_of(project / "data" / "hottest_dates.csv")
    assert [float(row["high"]) for row in hottest] == sorted(highs.values(), reverse=True)[:10]
    report = {row["station"]: row for row in rows_of(project / "reports" / "station_report.csv")}
    assert list(report) == ["SFO", "SAC", "RNO", "SEA"]
    assert {station: int(row["observations"]) for station, row in report.items()} == counts
    assert {station: Decimal(row["rain"]) for station, row in report.items()} == rain


@pytest.mark.slow
def test_nightly_example_stores_what_its_files_say(installed: Installed, tmp_path: Path) -> None:
    project = copy_of(ROOT / "examples" / "nightly", tmp_path / "nightly")

    def generate(*arguments: str) -> None:
        subprocess.run([sys.executable, "generate.py", *arguments], cwd=project, check=True, capture_output=True)

    generate("--days", "33")
    installed.lakehouse("run", cwd=project)
    generate("--first", "2024-02-03", "--days", "1")
    ran = json.loads(installed.lakehouse("run", "-o", "json", cwd=project))
    computed = {each["name"]: [part["key"] for part in each["partitions"]] for each in ran["tables"][1:-1]}
    assert computed == {"daily": [{"day": "2024-02-03"}], "monthly": [{"month": "2024-02"}]}
    days: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for file in (project / "data" / "raw").glob("sales_*.csv"):
        for row in rows_of(file):
            assert row["sold_at"][:10] == file.stem.removeprefix("sales_")
            days[row["sold_at"][:10], row["shop"]] += int(row["quantity"]) * Decimal(row["price"])
    months: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for (day, shop), revenue in days.items():
        months[day[:7], shop] += revenue
    shown = json.loads(installed.lakehouse("show", "monthly", "-o", "json", "-n", "100", cwd=project))["rows"]
    assert {(row["month"], row["shop"]): Decimal(row["revenue"]) for row in shown} == months
    for row in shown:
        former = None if row["month"] == "2024-01" else months["2024-01", row["shop"]]
        changed = None if row["change"] is None else Decimal(row["change"])
        assert changed == (None if former is None else months["2024-02", row["shop"]] - former)


@pytest.mark.parametrize(
    ("shipped", "arguments"),
    [
        ("examples/weather", ()),
        ("project_templates/weather", ("--stations", "SFO,SEA", "--first", "2025-06-01", "--days", "10")),
    ],
)
def test_the_generator_makes_the_shipped_observations(tmp_path: Path, shipped: str, arguments: tuple[str, ...]) -> None:
    made = tmp_path / "made.csv"
    subprocess.run([sys.executable, str(GENERATOR), *arguments, "--output", str(made)], check=True, capture_output=True)
    assert made.read_bytes() == (ROOT / shipped / "data" / "raw" / "observations.csv").read_bytes()


def test_temperatures_are_those_of_their_generator(tmp_path: Path) -> None:
    made = tmp_path / "made.csv"
    generator = ROOT / "examples" / "simple_lakehouse" / "generate.py"
    subprocess.run([sys.executable, str(generator), "--output", str(made)], check=True, capture_output=True)
    for example in ("simple_lakehouse", "multi_type_lakehouse"):
        shipped = ROOT / "examples" / example / "data" / "raw" / "sfo_q2_weather_sample.csv"
        assert made.read_bytes() == shipped.read_bytes()


@pytest.mark.slow
def test_the_simple_example_is_a_script_too(installed: Installed, tmp_path: Path) -> None:
    project = copy_of(ROOT / "examples" / "simple_lakehouse", tmp_path / "simple")
    printed = installed.shell("python assets.py", project)
    assert printed == "daily_temperature_highs_table materialized\ndaily_temperature_high_diffs_table materialized\n"
    sample_is_stored(project)


def sample_is_stored(project: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Check the highs of each day, and how they changed; returns both."""
    highs: dict[str, float] = {}
    for row in rows_of(project / "data" / "raw" / "sfo_q2_weather_sample.csv"):
        highs[row["valid"][:10]] = max(highs.get(row["valid"][:10], -999.0), float(row["tmpf"]))
    assert len(highs) == 91
    changes = {day: round(highs[day] - before, 1) for before, day in zip(highs.values(), [*highs][1:], strict=False)}
    stored = rows_of(project / "data" / "daily_temperature_highs_table.csv")
    assert {row["valid_date"]: float(row["max_tmpf"]) for row in stored} == highs
    first, *others = rows_of(project / "data" / "daily_temperature_high_diffs_table.csv")
    assert first == {"valid_date": "2016-04-01", "day_high_diff": ""}
    assert {row["valid_date"]: float(row["day_high_diff"]) for row in others} == changes
    return highs, changes


def sample_and_months_are_stored(project: Path) -> None:
    highs, changes = sample_is_stored(project)
    sudden = {day for day, change in changes.items() if abs(change) >= 5}
    assert {row["valid_date"] for row in rows_of(project / "data" / "sudden_changes_table.csv")} == sudden != set()
    for row in rows_of(project / "data" / "months_table.csv"):
        month = row["month"][:7]
        assert float(row["highest"]) == max(high for day, high in highs.items() if day.startswith(month))
        assert int(row["sudden_changes"]) == sum(day.startswith(month) for day in sudden)


def test_observations_match_layout_and_reports() -> None:
    rows = rows_of(ROOT / "examples" / "weather" / "data" / "raw" / "observations.csv")
    layout = "station valid tmpf dwpf relh drct sknt p01i alti mslp vsby gust skyc1 skyc2 skyc3 skyc4 skyl1 skyl2 skyl3"
    assert list(rows[0]) == [*layout.split(), "skyl4", "wxcodes", "metar"]
    missing = Counter(name for row in rows for name, value in row.items() if value == "M")
    assert missing.keys() >= {"tmpf", "dwpf", "relh", "gust", "wxcodes"}
    for row in rows:
        metar = row["metar"]
        gust = "" if row["gust"] == "M" else f"G{float(row['gust']):02.0f}"
        assert f" {float(row['drct']):03.0f}{float(row['sknt']):02.0f}{gust}KT " in metar
        assert f" {float(row['vsby']):.0f}SM " in metar
        assert f" A{float(row['alti']) * 100:04.0f} " in metar
        remark = re.search(r" T([01])(\d{3})([01])(\d{3})", metar)
        if remark is None:
            assert (row["tmpf"], row["dwpf"], row["relh"]) == ("M", "M", "M")
            continue
        sign, celsius, dew_sign, dew = remark.groups()
        for text, negative, tenths in ((row["tmpf"], sign, celsius), (row["dwpf"], dew_sign, dew)):
            fahrenheit = (-1 if negative == "1" else 1) * int(tenths) * 0.18 + 32
            assert float(text) == pytest.approx(fahrenheit, abs=0.051)


def shop_comes_out_equal_by_sql_and_by_python(project: Path) -> None:
    by_python, by_sql = (
        {file.stem: file.read_bytes() for file in (project / "made" / kind).glob("*.csv")} for kind in ("python", "sql")
    )
    assert by_sql == by_python
    assert by_sql.keys() == {"order_totals", "revenue_by_month", "best_customers", "product_sales"}
    assert all(data.count(b"\n") > 5 for data in by_sql.values())


#: What is stored when a template or an example has run, checked by Python alone.
STORED: dict[str, Callable[[Path], object]] = {
    "examples/multi_type_lakehouse": sample_and_months_are_stored,
    "examples/shop-sql": shop_comes_out_equal_by_sql_and_by_python,
    "examples/simple_lakehouse": sample_is_stored,
    "examples/weather": weather_stores_what_the_observations_say,
    "project_templates/minimal": minimal_computes_its_summary,
    "project_templates/shop": shop_reports_what_its_exports_say,
}


def test_what_is_stored_is_checked_of_projects_that_there_are() -> None:
    projects = {f"examples/{name}" for name in EXAMPLES} | {f"project_templates/{name}" for name in TEMPLATES}
    assert projects >= STORED.keys()


TUTORIAL = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What differs from run to run, and how wide the columns are because of it.
MARKS = set("✓=✗○")
VARYING = (
    (r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(?!:)", "WHEN"),
    (r"\d+(\.\d+)? m?s\b", "TIME"),
    (r"[ \t]+", " "),
    (r" +$", ""),
)


def without_what_varies(text: str) -> list[str]:
    for pattern, constant in VARYING:
        text = re.sub(pattern, constant, text, flags=re.MULTILINE)
    # Tables that do not need each other end in either order.
    lines: list[str] = []
    for ended, group in groupby(text.strip().splitlines(), key=lambda line: line[:1] in MARKS):
        together = list(group)
        lines += sorted(together) if ended else together
    return lines


@pytest.mark.slow
def test_the_tutorial_can_be_followed_word_for_word(installed: Installed, tmp_path: Path) -> None:
    """`sh` blocks are run, `text` blocks what they write, `yaml` and `python` blocks are in the files."""
    folder, shown = tmp_path, ""
    for language, mark, block in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")):
        if language == "sh" and not block.startswith("pip install"):
            code = int(mark.strip().removeprefix("exits ")) if mark else 0
            shown = installed.shell(f"trap 'pwd > {tmp_path / 'where'}' EXIT\n{block}", folder, code=code)
            folder = Path((tmp_path / "where").read_text().strip())
        elif language == "text":
            assert without_what_varies(shown) == without_what_varies(block)
        elif language in ("yaml", "python"):
            file = folder / {"yaml": "lakehouse.yaml", "python": "transforms.py"}[language]
            assert block in file.read_text(encoding="utf-8")


def test_the_lake_holds_the_same_in_three_places(
    installed: Installed, tmp_path: Path, s3_server: S3Server, postgresql_server: PostgreSQL
) -> None:
    """CSV, Parquet on S3 and PostgreSQL: the example's own script, against servers."""
    project = copy_of(ROOT / "examples" / "lake", tmp_path / "lake")
    database = postgresql_server.new_database()
    variables = {"LAKE_BUCKET": s3_server.make_bucket("metering"), "WAREHOUSE_URL": postgresql_server.url(database)}
    (project / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    exported = "".join(f"export {name}={value}\n" for name, value in s3_server.environ.items())
    reported = installed.shell(f"{exported}./run_everywhere.sh", project)
    assert reported.count("3 materialized in ") == 3
    assert reported.count("5 same") == 2
    assert PASSWORD not in reported
    every = "for environment in local lake warehouse; do lakehouse run --env $environment; done"
    again = installed.shell(f"{exported}set -a; . ./.env; set +a\n{every}", project)
    assert again.count("3 unchanged in ") == 3
    (count,) = postgresql_server.run("SELECT count(*) FROM metering.bills", database)
    assert count == ("36",)
