"""Names that functions take from their module: read off the tree, they are those that the compiler resolves."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest

import lakehouse_cli
from lakehouse_cli.code.fingerprints.scopes import _of_any_module, _of_plain_module, names_by_line
from tests.cases import each_case

STANDARD = Path(sysconfig.get_path("stdlib"))
OURS = Path(lakehouse_cli.__file__).parent


def separate(text: str) -> list[tuple[ast.Module, str]]:
    """Each statement of a module as a module of its own; those that share a line with another are left out."""
    found = []
    lines = text.splitlines(keepends=True)
    taken = 0
    for statement in ast.parse(text).body:
        first = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", ()))])
        last = statement.end_lineno or first
        if first <= taken:
            del found[-1:]
        else:
            ast.increment_lineno(statement, 1 - first)
            found.append((ast.Module([statement], []), "".join(lines[first - 1 : last])))
        taken = last
    return found


@pytest.mark.slow
@pytest.mark.skipif("sys.version_info >= (3, 14)", reason="the compiler is always asked there")
@pytest.mark.parametrize("folder", [STANDARD, OURS], ids=["standard", "ours"])
def test_plain_code_is_resolved_as_by_the_compiler(folder: Path) -> None:
    plain = 0
    files = sorted(folder.glob("*.py"))[::2] if folder == STANDARD else folder.rglob("*.py")
    for file in files:
        for tree, text in separate(file.read_text("utf-8")):
            found = _of_plain_module(tree)
            if found is not None:
                plain += bool(found)
                assert found == _of_any_module(text, file.name), file
    assert plain > 300


@each_case(
    "body",
    [
        "return [x for x in a]",
        "return lambda: a",
        "global a\n    a = 1",
        "del a",
        "import a",
        "class A: pass",
        "def g(): return a",
        "a: int = 1",
        "return (a := 1)",
        "return super().a",
        "try:\n        a\n    except E as b:\n        b",
        "match a:\n        case b: pass",
    ],
)
def test_the_compiler_is_asked_where_names_mean_more(body: str) -> None:
    text = f"def f(p, q=1):\n    {body}\n"
    assert _of_plain_module(ast.parse(text)) is None
    assert names_by_line(ast.parse(text), text, "a.py") == _of_any_module(text, "a.py")


def test_what_is_under_a_plain_test_is_read_off_the_tree() -> None:
    text = "if TYPE_CHECKING:\n    import a\nelif b:\n    def f(p): return a + p\nelse:\n    def f(p): return c\n"
    assert _of_plain_module(ast.parse(text)) == _of_any_module(text, "a.py") == {4: {"a"}, 6: {"c"}}


@pytest.mark.parametrize("text", ["def f(a, a): pass", "def f():\n    a = 1\n    global a", "def f(__debug__): pass"])
def test_what_cannot_be_compiled_is_refused(text: str) -> None:
    assert _of_plain_module(ast.parse(text)) is None
