"""Finding transforms, calling them, and telling what went wrong in them."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, Interrupted, TransformError
from lakehouse_cli.model import Column, FunctionRef, parse_column_type
from lakehouse_cli.model.computation import Input
from lakehouse_cli.runner.interrupts import Interrupts
from lakehouse_cli.transforms import SharedTable, Transform, frame_type_of, load_transform
from lakehouse_cli.transforms import apply as apply_to_inputs

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def load(folder: Path, source: str, name: str = "f", module: str = "transforms") -> Transform:
    file = folder / f"{module.replace('.', '/')}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    return load_transform(FunctionRef(module, name), folder)


def apply(
    transform: Transform, named: dict[str, pa.Table], positional: tuple[pa.Table, ...] = (), **options: Any
) -> pa.Table:
    """Call a transform on tables, those by keyword from a table called as the parameter."""
    inputs = [(Input("some", None, True), SharedTable(table)) for table in positional]
    inputs += [(Input(name, name), SharedTable(table)) for name, table in named.items()]
    return apply_to_inputs(transform, inputs, **options)


def call(folder: Path, source: str, **options: Any) -> pa.Table:
    return apply(load(folder, source), {"t": TABLE}, **options)


def failure(folder: Path, source: str, **options: Any) -> TransformError:
    with pytest.raises(TransformError) as caught:
        call(folder, source, **options)
    return caught.value


@pytest.mark.parametrize(
    ("head", "annotation", "kind"),
    [
        ("", "", "pandas.DataFrame"),
        ("import pandas as pd", ": pd.DataFrame", "pandas.DataFrame"),
        ("import pandas as pd", ": 'pd.DataFrame'", "pandas.DataFrame"),
        ("import pandas as pd", ": pd.DataFrame | None", "pandas.DataFrame"),
        ("import pyarrow as pa", ": pa.Table", "pyarrow.Table"),
        ("from __future__ import annotations\nimport pyarrow as pa", ": pa.Table", "pyarrow.Table"),
        ("from typing import Annotated\nimport pyarrow as pa", ": Annotated[pa.Table, 'rows']", "pyarrow.Table"),
        ("import polars as pl", ": pl.DataFrame", "polars.DataFrame"),
        (
            "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    import polars as pl",
            ": pl.DataFrame",
            "polars.DataFrame",
        ),
        ("from typing import Any", ": Any", "pandas.DataFrame"),
    ],
)
def test_a_parameter_gets_the_frame_its_annotation_names(folder: Path, head: str, annotation: str, kind: str) -> None:
    source = f"{head}\nseen = []\ndef f(t{annotation}):\n    seen.append(type(t).__name__)\n    return t\n"
    transform = load(folder, source)
    assert transform.keyword("t").frame_type.name == kind
    assert apply(transform, {"t": TABLE}).column("a").to_pylist() == [1, 2, 3]


def test_parameters_may_differ_in_kind(folder: Path) -> None:
    source = """
import pandas as pd, polars as pl, pyarrow as pa
def f(p: pd.DataFrame, a: pa.Table, l: pl.DataFrame):
    return pd.DataFrame({"kinds": [type(x).__module__.split(".")[0] for x in (p, a, l)]})
"""
    result = apply(load(folder, source), {"p": TABLE, "a": TABLE, "l": TABLE})
    assert result.column("kinds").to_pylist() == ["pandas", "pyarrow", "polars"]


@pytest.mark.parametrize(
    ("annotation", "message", "hint"),
    [
        (dict, "`dict` is not a supported frame type", "use pandas.DataFrame"),
        (pd.Series, "`pandas.Series` is not a supported frame type", "a pandas.Series can only be returned"),
        (
            "np.ndarray",
            "`np.ndarray` is not a supported frame type",
            "dask.dataframe.DataFrame, pyspark.sql.DataFrame or pyarrow.RecordBatchReader",
        ),
        (list[int], "`list[int]` is not a supported frame type", "use pandas.DataFrame"),
    ],
)
def test_other_annotations_are_refused(annotation: Any, message: str, hint: str) -> None:
    with pytest.raises(TransformError, match="supported frame type") as caught:
        frame_type_of(annotation)
    assert caught.value.message.startswith(message)
    assert hint in (caught.value.hint or "")


def test_the_result_may_be_annotated_as_a_series(folder: Path) -> None:
    source = "import pandas as pd\ndef f(t) -> pd.Series:\n    return t['a']\n"
    assert call(folder, source).column_names == ["a"]


def test_wrong_result_annotation_is_refused_on_loading(folder: Path) -> None:
    with pytest.raises(TransformError) as caught:
        load(folder, "def f(t) -> dict:\n    return {}\n")
    assert caught.value.message == "result of `f`: `dict` is not a supported frame type"


def test_the_other_annotations_are_nobodys_business(folder: Path) -> None:
    head = "import pandas as pd\ndef f(t: pd.DataFrame, n: 'Unknown' = 1, *, m: dict = {}) -> 'pd.DataFrame':\n"
    source = f"{head}    return t * n\n"
    assert call(folder, source, params={"n": 2}).column("a").to_pylist() == [2, 4, 6]


def test_polars_is_optional(folder: Path) -> None:
    code = """
import sys
sys.modules["polars"] = None
from lakehouse_cli.errors import TransformError
from lakehouse_cli.transforms import frame_type_of
try:
    frame_type_of("pl.DataFrame")
except TransformError as error:
    print(error.message, "|", error.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        done.stdout == "`polars.DataFrame` needs polars, which is not installed | pip install 'lakehouse-cli[polars]'\n"
    )


def test_a_transform_on_arrow_does_not_load_pandas(folder: Path) -> None:
    (folder / "transforms.py").write_text("import pyarrow as pa\ndef f(t: pa.Table) -> pa.Table:\n    return t\n")
    # Not from bytes in memory: a thread of Arrow's may let go of what is Python's as the process ends, and abort it.
    (folder / "t.csv").write_text("a,b\n1,x\n")
    code = f"""
import pathlib, sys
from pyarrow import csv
from lakehouse_cli.model import FunctionRef
from lakehouse_cli.model.computation import Input
from lakehouse_cli.transforms import SharedTable, apply, load_transform
transform = load_transform(FunctionRef("transforms", "f"), pathlib.Path({str(folder)!r}))
apply(transform, [(Input("t", "t"), SharedTable(csv.read_csv({str(folder / "t.csv")!r})))])
sys.exit(", ".join({{"pandas", "polars"}} & set(sys.modules)) or None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_arguments_go_by_keyword_and_by_position(folder: Path) -> None:
    source = """
import pandas as pd
def f(first, /, second, *rest, named, **others):
    return pd.DataFrame({"n": [len(first), len(second), len(rest), len(named), *map(len, others.values())]})
"""
    tables = [TABLE.slice(0, n) for n in range(4)]
    result = apply(load(folder, source), {"named": tables[1], "more": tables[2]}, (tables[3], tables[0], TABLE, TABLE))
    assert result.column("n").to_pylist() == [3, 0, 2, 1, 2]


def test_missing_parameter_is_refused(folder: Path) -> None:
    assert failure(folder, "def f(x): return x").message == "`f` has no parameter `t`"


def test_changing_an_argument_in_place_harms_nobody(folder: Path) -> None:
    source = "def f(t):\n    t.loc[0, 'a'] = 99\n    t['b'] = t['b'].fillna('')\n    return t\n"
    transform, table = load(folder, source), pa.table({"a": [1, 2], "b": ["x", None]})
    assert apply(transform, {"t": table}).to_pydict() == {"a": [99, 2], "b": ["x", ""]}
    assert table.to_pydict() == {"a": [1, 2], "b": ["x", None]}


def test_changed_constant_is_restored_for_the_next_call(folder: Path) -> None:
    source = "def f(t, seen):\n    seen['rows'].append(1)\n    t['n'] = len(seen['rows'])\n    return t\n"
    constant: dict[str, Any] = {"seen": {"rows": []}}
    assert call(folder, source, params=constant).column("n").to_pylist() == [1, 1, 1]
    assert constant == {"seen": {"rows": []}}


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ("pass", "`f` returned None; a transform returns a pandas.DataFrame", "did it forget to `return`?"),
        ("return 'x'", "`f` returned a str; a transform", "return a pandas.DataFrame"),
        ("return 5", "`f` returned an int; a transform", "return a pandas.DataFrame"),
        ("return [1]", "`f` returned a list; a transform", "make a frame of it"),
        ("return {'a': [1]}", "`f` returned a dict; a transform", "make a frame of it"),
        ("yield t", "`f` returned a generator; a transform", "define it with plain `def`"),
        ("import numpy; return numpy.zeros(3)", "`f` returned a ndarray;", "return a pandas.DataFrame"),
        (
            "import pyarrow; return pyarrow.RecordBatch.from_pydict({'a': [1]})",
            "`f` returned a RecordBatch;",
            "from_batches",
        ),
        (
            "import duckdb; return duckdb.connect().execute('select 1 a')",
            "`f` returned a DuckDBPyConnection;",
            "return `connection.sql(query).to_arrow_table()`",
        ),
    ],
)
def test_what_is_no_frame_is_refused(folder: Path, body: str, message: str, hint: str) -> None:
    error = failure(folder, f"def f(t):\n    {body}\n")
    assert error.message.startswith(message)
    assert hint in (error.hint or "")


def test_list_of_batches_is_to_be_an_iterator(folder: Path) -> None:
    head = "from collections.abc import Iterator\nimport pyarrow as pa\n"
    error = failure(
        folder, f"{head}def f(t) -> Iterator[pa.RecordBatch]:\n    return [pa.record_batch({{'a': [1]}})]\n"
    )
    assert error.hint == "yield the batches one by one, or return `iter(…)` of them"


def test_sum_of_a_relation_is_exact_as_the_hint_says(folder: Path) -> None:
    query = "select sum(v) as v from (values (1152921504606846976), (1)) as t(v)"
    source = f"import duckdb\ndef f(t):\n    return duckdb.connect().sql({query!r}).to_arrow_table()\n"
    enforced = enforce(call(folder, source), (Column("v", parse_column_type("int64")),)).table
    assert enforced.to_pydict() == {"v": [1152921504606846977]}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("5::UHUGEINT", "UHUGEINT"),
        ("'101'::BIT", "BIT"),
        ("TIMETZ '12:00:00+05'", "TIME WITH TIME ZONE"),
        ("5::VARIANT", "VARIANT"),
        ("5::BIGNUM", "BIGNUM"),
    ],
)
def test_columns_of_a_relation_that_arrow_bends_are_refused(folder: Path, value: str, named: str) -> None:
    """Or come as the text that they have in DuckDB."""
    source = "import duckdb\ndef f(t):\n    return duckdb.connect().sql({!r})\n"
    columns = [depth.format(value) for depth in ("{}", "[{}]", "{{'x': [{}]}}", "MAP {{1: {}}}")]
    names = [f"a{number}" for number in range(len(columns))]
    selected, followed = (
        ", ".join(form.format(*each) for each in zip(columns, names, strict=True))
        for form in ("{} AS {}", "({})::VARCHAR AS {}")
    )
    result = relation(folder, source.format(f"SELECT {selected}, 1::HUGEINT AS b"))
    cast = relation(folder, source.format(f"SELECT {followed}, 1::HUGEINT AS b"))
    for name in names:
        wanted = (Column(name, parse_column_type("string")), Column("b", parse_column_type("int64")))
        as_cast = enforce(cast.select([name, "b"]), wanted).table
        try:
            assert enforce(result.select([name, "b"]), wanted).table.equals(as_cast)
        except ContractError as error:
            [violation] = error.violations
            assert violation.column == name
            assert named in violation.message
            assert "cast it to VARCHAR in the transform" in violation.message


def relation(folder: Path, source: str) -> pa.Table:
    return pa.concat_tables(call(folder, source))


def test_a_coroutine_is_refused_without_a_warning(folder: Path) -> None:
    error = failure(folder, "import pyarrow as pa\nasync def f(t) -> pa.Table:\n    return t\n")
    assert error.message == "`f` returned a coroutine; a transform returns a pyarrow.Table"


def test_exception_has_user_frames_and_input_shapes(folder: Path) -> None:
    source = "def helper(t):\n    return t['nope']\n\ndef f(t):\n    return helper(t).max()\n"
    with pytest.raises(TransformError) as caught:
        apply_to_inputs(load(folder, source), [(Input("weather", "t"), SharedTable(TABLE))])
    error = caught.value
    assert error.message == "`f` raised KeyError: 'nope'"
    assert error.exception == "KeyError: 'nope'"
    assert error.frames == (
        ("transforms.py", 5, "f", "return helper(t).max()"),
        ("transforms.py", 2, "helper", "return t['nope']"),
    )
    assert error.inputs == (("t", "weather", 3, 2),)
    assert str(error.location) == "transforms.py:2"
    assert "pandas/core" in error.traceback
    assert isinstance(error.__cause__, KeyError)


def test_message_of_many_lines_is_whole(folder: Path) -> None:
    error = failure(folder, "def f(t):\n    raise ValueError('one\\ntwo')\n")
    assert error.message == "`f` raised ValueError: one\ntwo"
    assert error.exception == "ValueError: one\ntwo"


def test_system_exit_fails_the_table_and_ctrl_c_passes(folder: Path) -> None:
    assert failure(folder, "import sys\ndef f(t):\n    sys.exit(3)\n").exception == "SystemExit: 3"
    source = "def f(t):\n    raise KeyboardInterrupt  # changed\n"
    assert failure(folder, source).exception == "KeyboardInterrupt"
    press = "    os.kill(os.getpid(), signal.SIGINT)\n"
    with pytest.raises(Interrupted), Interrupts(lambda: None).heeded():
        call(folder, f"import os, signal\ndef f(t):\n{press}{press}")


def test_warnings_of_the_users_code_pass_through(folder: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(folder, "import warnings\ndef f(t):\n    warnings.warn('careful')\n    return t\n")
    assert [str(w.message) for w in caught] == ["careful"]


def test_a_decorated_function_is_known_by_what_it_wraps(folder: Path) -> None:
    source = """
import functools, pyarrow as pa
def logged(g):
    @functools.wraps(g)
    def inner(*args, **kwargs):
        return g(*args, **kwargs)
    return inner
@logged
def f(t: pa.Table) -> pa.Table:
    return t
g = functools.partial(f)
"""
    assert load(folder, source).keyword("t").frame_type.name == "pyarrow.Table"
    partial = load_transform(FunctionRef("transforms", "g"), folder)
    assert apply(partial, {"t": TABLE}).equals(TABLE)


@pytest.mark.parametrize(
    "parameters", ["", "a, b: int", "a, /, b", "a, *, b: None", "a: 'str' = '', *more, c=1, **rest"]
)
def test_parameters_are_those_of_the_signature(folder: Path, parameters: str) -> None:
    transform = load(folder, f"def f({parameters}): n = 1; return n")
    expected = inspect.signature(transform.fn).parameters.values()
    assert [(each.name, each.kind) for each in transform.parameters] == [(each.name, each.kind) for each in expected]
    has_none = [each.annotation is None for each in transform.parameters]
    assert has_none == [each.annotation is each.empty for each in expected]


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        (
            "def daily(t): ...\ndef _f(t): ...",
            "function `dialy` is not in module `transforms`",
            "did you mean `daily`?",
        ),
        ("dialy = 3", "`dialy` in module `transforms` is int, not a function", "define it with `def`"),
        (
            "import nopenope",
            "module `transforms` cannot be imported: ModuleNotFoundError: No module",
            "install what `nopenope`",
        ),
        ("def f(:", "module `transforms` cannot be imported: SyntaxError: ", "correct transforms.py:1"),
        ("x = 1\ny = x / 0", "module `transforms` cannot be imported: ZeroDivisionError", "correct transforms.py:2"),
        (
            "raise MemoryError",
            "module `transforms` cannot be imported: MemoryError",
            "there was not enough memory; compute fewer tables at once",
        ),
        ("raise SystemExit('no')", "module `transforms` cannot be imported: SystemExit: no", "correct transforms.py:1"),
    ],
)
def test_module_without_the_function_is_refused(folder: Path, source: str, message: str, hint: str) -> None:
    with pytest.raises(TransformError) as caught:
        load(folder, source, "dialy")
    assert caught.value.message.startswith(message)
    assert (caught.value.hint or "").startswith(hint)


def test_frames_of_a_failed_import_are_the_users(folder: Path) -> None:
    (folder / "broken.py").write_text("def oops():\n    return 1 / 0\noops()\n")
    with pytest.raises(TransformError) as caught:
        load(folder, "import broken\n")
    assert [(file, line) for file, line, _, _ in caught.value.frames] == [
        ("transforms.py", 1),
        ("broken.py", 3),
        ("broken.py", 2),
    ]


def test_missing_module_has_close_names(folder: Path) -> None:
    (folder / "transforms.py").write_text("")
    with pytest.raises(TransformError) as caught:
        load_transform(FunctionRef("transfroms", "f"), folder)
    assert caught.value.message == "module `transfroms` is neither in the project's folder nor installed"
    assert caught.value.hint == "did you mean `transforms`?"


def _project(folder: Path, word: str) -> Path:
    (folder / "lib").mkdir(parents=True)
    (folder / "lib/__init__.py").write_text("")
    (folder / "lib/words.py").write_text(f"WORD = {word!r}\n")
    (folder / "shared.py").write_text("from lib.words import WORD\n")
    (folder / "transforms.py").write_text(
        "import pandas as pd\nfrom shared import WORD\n"
        "def f():\n    return pd.DataFrame({'w': [WORD]})\n"
        "def later():\n    import late\n    return pd.DataFrame({'w': [late.WORD]})\n"
    )
    (folder / "late.py").write_text("from lib.words import WORD\n")
    return folder


def test_projects_with_modules_of_one_name_do_not_mix(tmp_path: Path) -> None:
    one, two = _project(tmp_path / "one", "one"), _project(tmp_path / "two", "two")
    names = ("f", "later")
    loaded = [load_transform(FunctionRef("transforms", name), folder) for folder in (one, two) for name in names]
    again = [load_transform(FunctionRef("transforms", name), folder) for folder in (one, two) for name in names]
    for transform, word in zip([*loaded, *again], ["one", "one", "two", "two"] * 2, strict=True):
        assert apply(transform, {}).column("w").to_pylist() == [word]
    assert sys.path.count(str(one)) + sys.path.count(str(two)) == 1


def test_loaded_module_of_the_same_name_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "others").mkdir()
    (tmp_path / "others/shared_words.py").write_text("WORD = 'other'\n")
    monkeypatch.syspath_prepend(str(tmp_path / "others"))
    stranger = importlib.import_module("shared_words")
    mine, third = tmp_path / "mine", _project(tmp_path / "third", "third")
    mine.mkdir()
    (mine / "shared_words.py").write_text(
        "import pandas as pd\nWORD = 'mine'\ndef f():\n    return pd.DataFrame({'w': [WORD]})\n"
    )
    transform = load_transform(FunctionRef("shared_words", "f"), mine)
    assert apply(transform, {}).column("w").to_pylist() == ["mine"]
    load_transform(FunctionRef("transforms", "f"), third)
    assert sys.modules["shared_words"] is stranger
    assert stranger.WORD == "other"


def test_project_comes_first_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _project(tmp_path / "p", "mine")
    transform = load_transform(FunctionRef("transforms", "later"), folder)
    (tmp_path / "late.py").write_text("WORD = 'theirs'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert apply(transform, {}).column("w").to_pylist() == ["mine"]
    assert sys.path.count(str(folder)) == 1


def test_an_edited_file_is_imported_anew(tmp_path: Path) -> None:
    folder = _project(tmp_path / "p", "old")
    assert apply(load_transform(FunctionRef("transforms", "f"), folder), {}).column("w").to_pylist() == ["old"]
    first = load_transform(FunctionRef("transforms", "f"), folder)
    assert load_transform(FunctionRef("transforms", "f"), folder).fn is first.fn
    (folder / "lib/words.py").write_text("WORD = 'new'\n")  # same size, perhaps the same second
    assert apply(load_transform(FunctionRef("transforms", "f"), folder), {}).column("w").to_pylist() == ["new"]


def test_nan_and_null_stay_apart_in_arrow_and_polars(folder: Path) -> None:
    table = pa.table({"x": pa.array([1.0, None, float("nan")])})
    for kind in (
        "import pyarrow\ndef f(t: pyarrow.Table): return t",
        "import polars\ndef f(t: polars.DataFrame): return t",
    ):
        assert apply(load(folder, kind), {"t": table}).column("x").null_count == 1
    assert apply(load(folder, "def f(t):  # pandas\n    return t"), {"t": table}).column("x").null_count == 2


def test_polars_objects_are_judged_by_row(folder: Path) -> None:
    source = "import polars as pl\ndef f(t): return pl.DataFrame({'x': pl.Series([1, 'a'], dtype=pl.Object)})"
    result = call(folder, source)
    assert b"text among integers" in next(iter((result.schema.field("x").metadata or {}).values()))


def test_changing_a_polars_frame_in_place_harms_nobody(folder: Path) -> None:
    source = """
import polars as pl
def f(t: pl.DataFrame) -> pl.DataFrame:
    t[0, "a"] = 99
    t["a"].sort(in_place=True)
    t.extend(t.clone())
    return t
"""
    table = pa.table({"a": [1, 2]})
    assert apply(load(folder, source), {"t": table}).column("a").to_pylist() == [99, 2, 99, 2]
    assert table.to_pydict() == {"a": [1, 2]}
