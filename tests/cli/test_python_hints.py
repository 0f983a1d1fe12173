"""Hints on projects that are declared in Python, followed as they say."""

from __future__ import annotations

from tests.cli.test_python_declarations import ORDERS, declare
from tests.conftest import Cli, ProjectFolder


def test_path_of_a_module_says_how_to_name_it(folder: ProjectFolder, cli: Cli) -> None:
    code = "from lakehouse_cli import Lakehouse, source_table\nlakehouse = Lakehouse([source_table('a')])\n"
    folder.write("sub/inner.py", code)
    folder.write("../be side/tables.py", code)
    for path in ("sub/inner", "sub/inner.py", "../project/sub/inner", str(folder.path / "sub/inner.py")):
        assert "write `sub.inner:lakehouse`" in cli("-m", f"{path}:lakehouse", "plan").err
    assert "write `lakehouse -C '../be side' -m tables`" in cli("-m", "../be side/tables", "plan").err
    assert "write it as in an `import`" in cli("-m", "..", "plan").err
    assert cli("-C", "../be side", "-m", "tables", "validate").code == 0


WRAPPED = """
import functools
orders = source_table("orders", columns={"customer": "string", "amount": "int64"})

def logged(f):
    @functools.wraps(f)
    def inner(*given, **keywords):
        return f(*given, **keywords)
    return inner

def plain(f):
    def inner(orders):
        return f(orders)
    return inner

def best(orders):
    return orders.head(1)

"""


def test_hints_of_wrapped_functions_work(folder: ProjectFolder, cli: Cli) -> None:
    def declares(code: str) -> str:
        declare(folder, f"{WRAPPED}{code}\nlakehouse = Lakehouse([table])\n")
        return cli("-m", "tables", "run").err

    folder.write("data/orders.csv", ORDERS)
    refused = declares("table = computed_table(logged(best), name='best')")
    assert "function `best` of table `best` is wrapped, and has no name at the top of the module" in refused
    assert "give it a name there" in refused
    refused = declares("best_logged = logged(best)\ntable = computed_table(best_logged, name='best')")
    assert "list the tables it takes under `inputs=…`" in refused
    assert (
        declares("best_logged = logged(best)\ntable = computed_table(best_logged, name='best', inputs=[orders])") == ""
    )
    assert folder.read("data/best.csv") == "customer,amount\nada,3\n"
    folder.edit("tables.py", "head(1)", "head(2)")
    assert cli("-m", "tables", "run", "-o", "json").statuses == {"best": "materialized"}
    assert "above its other decorators" in declares("table = plain(computed_table(best))")
    assert "if `plain` is a decorator, have it use `functools.wraps`" in declares("table = computed_table(plain(best))")
    assert declares("@computed_table\n@logged\ndef table(orders):\n    return orders.tail(1)") == ""


def test_commands_in_hints_reach_the_project(folder: ProjectFolder, cli: Cli) -> None:
    code = "from lakehouse_cli import *\n@computed_table\ndef best():\n    return pd.DataFrame({'x': [1]})\n"
    folder.write("in/tables.py", f"import pandas as pd\n{code}lakehouse = Lakehouse([best])\n")
    folder.write("in/data/best.csv", "x\n2\n")
    refused = cli("-C", "in", "run", "-m", "tables")
    assert (refused.code, "`lakehouse -C in -m tables run --force best` replaces what is there" in refused.err) == (
        1,
        True,
    )
    assert "`lakehouse -C in -m tables run --force best` replaces" in cli("-C", "in", "-m", "tables", "plan").out
    assert "`lakehouse -C in -m tables ls` lists the tables" in cli("-C", "in", "-m", "tables", "run", "nope").err
    assert cli("-C", "in", "-m", "tables", "run", "--force", "best").code == 0
    assert "`lakehouse init` makes one" in cli("-C", "in", "plan").err


def test_hints_say_what_python_calls_it(folder: ProjectFolder, cli: Cli) -> None:
    tables = "a = computed_table('a', sql='from b')\n@computed_table(inputs=['d'])\ndef c(x):\n    return x\n"
    declare(folder, f"{tables}e = computed_table('e', sql='select $n as n')\nlakehouse = Lakehouse([a, c, e])\n")
    refused = cli("-m", "tables", "validate").err
    assert refused.count("declare it, and list it in `assets`") == 2
    assert "give its value: `params={'n': …}`" in refused
