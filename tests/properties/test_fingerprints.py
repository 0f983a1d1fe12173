"""Fingerprints against the truth: programs are generated, edited, and really run.

An edit after which `daily` returns something else must change its fingerprint. An edit that only changes how the
program is written, or what `daily` does not reach, must not.
"""

from __future__ import annotations

import ast
import builtins
import io
import re
import sys
import tempfile
import tokenize
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import FrameType, ModuleType
from typing import Any

from hypothesis import HealthCheck, assume, event, given, note, settings

from lakehouse_cli.code.fingerprints import CodeFingerprint
from lakehouse_cli.code.fingerprints.fingerprint import Fingerprinter
from lakehouse_cli.code.source import SourceReader
from lakehouse_cli.model import FunctionRef
from tests.properties.drawn_tables import CHANCES, Chance

Files = dict[str, list[str]]
"""Of each module, its top-level statements."""

MODULES = ("inner", "helpers", "transforms")  # each may import those before it
VARIABLES = ("A", "B", "C")
FUNCTIONS = ("f", "g", "h")
LITERAL = re.compile(r"\b\d+\b")


class Endless(BaseException):
    """A program takes too long; not for the program to catch."""


def fingerprint(files: Files) -> CodeFingerprint:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for module, statements in files.items():
            (folder / f"{module}.py").write_text("\n".join(statements) + "\n", encoding="utf-8")
        return Fingerprinter(folder, SourceReader(folder)).of(FunctionRef("transforms", "daily"))


def outcome(files: Files) -> str | None:
    """What `daily` returns; None where the program fails."""
    modules: dict[str, ModuleType] = {}

    def load(name: str, *_: Any) -> ModuleType:
        if name not in files:
            return builtins.__import__(name)
        if name not in modules:
            module = modules[name] = ModuleType(name)
            module.__dict__["__builtins__"] = {**vars(builtins), "__import__": load}
            exec(compile("\n".join(files[name]), name, "exec"), module.__dict__)
        return modules[name]

    steps = 0

    def watch(frame: FrameType, happened: str, argument: Any) -> Any:
        nonlocal steps
        steps += 1
        values = [*frame.f_locals.values(), *frame.f_globals.values()]
        if steps > 500 or any(isinstance(value, list) and len(value) > 500 for value in values):
            raise Endless
        return watch

    kept = sys.gettrace()
    sys.settrace(watch)
    try:
        shown = repr(load("transforms").daily([1]))
        return None if " at 0x" in shown else shown
    except (Exception, Endless):
        return None
    finally:
        sys.settrace(kept)


def expression(chance: Random, names: list[str], depth: int = 2) -> str:
    """An expression for a list of numbers. Of `names`, those of functions end with parentheses."""
    variables = [name for name in names if not name.endswith("()")]
    functions = [name[:-2] for name in names if name.endswith("()")]
    if depth == 0 or chance.random() < 0.3:
        return chance.choice(variables) if variables and chance.random() < 0.8 else f"[{chance.randrange(10)}]"
    inner = expression(chance, names, depth - 1)
    local = chance.choice(["x", *VARIABLES])
    return chance.choice(
        [
            f"{inner} + {expression(chance, names, depth - 1)}",
            f"[{local} + {chance.randrange(10)} for {local} in {inner}]",
            f"(lambda {local}: {local} + [{chance.randrange(10)}])({inner})",
            f"list({inner})",
            *([f"{chance.choice(functions)}({inner})"] * 4 if functions else []),
        ]
    )


def body(chance: Random, names: list[str]) -> str:
    """The body of a function of `x`, which may change its argument, or a global, under its own name or another."""
    variables = [name for name in names if not name.endswith("()")]
    lines = []
    result = expression(chance, [*names, "x"])
    for _ in range(chance.randrange(3)):
        name = chance.choice(["x", *variables])
        number = chance.randrange(10)
        lines.append(
            chance.choice(
                [
                    f"y = {name}; y.append({number})",
                    f"{name}.append({number})",
                    f"if len(x) > {number % 3}: x = x[1:]",
                    f"{name}[:1] = [{number}]",
                    f"def inner(z=[{number}]): return z + {result}\n    x = inner()",
                    f"for y in ({name},): y.insert(0, {number})",
                    f"if (y := {name}): y += [{number}]",
                    f"'''{name} {number}'''",
                ]
            )
        )
    own = [name for name in variables if "." not in name]
    if own and chance.random() < 0.2:
        name = chance.choice(own)
        lines = [f"global {name}", *lines, f"{name} = {result}"]
    return "\n    ".join([*lines, f"return {result}"])


def statement(chance: Random, names: list[str]) -> str:
    """A top-level statement that binds a name, or changes what is behind one."""
    variables = [name for name in names if not name.endswith("()")]
    functions = [name[:-2] for name in names if name.endswith("()")]
    value = expression(chance, names)
    variable = chance.choice(VARIABLES)
    function = chance.choice(FUNCTIONS)
    number = chance.randrange(10)
    kinds = [
        f"{variable} = {value}",
        f"if len({value}) > {number}: {variable} = {value}\nelse: {variable} = [{number}]",
        f"try: {variable} = {value}\nexcept Exception: {variable} = [{number}]",
        f"class {function}(list):\n    n = {value}\n    def __add__(self, other): return self.n + {value}",
        f"class {function}(list):\n    n = {value}\n    def __init__(self, x): self.n.append({number}); self += x",
        f"def {function}(x, y={{}}): return y.setdefault(len(x), x)",
        f"def {function}(x, y={value}): y.append({number}); return x + y",
        f"{variable} = {chance.choice(VARIABLES)} = {value}",
        f"def make():\n    found = {value}\n    def add(x): found.append({number}); return x + found\n"
        f"    return found, add\n{variable}, {function} = make()",
    ]
    for default in ("", f", y={value}"):
        kinds += [f"def {function}(x{default}):\n    {body(chance, names)}"] * 2
    if functions:
        called = chance.choice(functions)
        kinds += [
            f"@{called}\ndef {variable}(x): return {value}",
            f"{called}.n = {value}",
            f"{variable} = getattr({called}, 'n', [{number}])",
            f"{function} = {called}",
            f"{function} = {called}; {function}.n = {value}",
            f"{called}({value}).append({number})",
            f"type({called}([{number}])).n = {value}",
        ]
    if variables:
        changed = chance.choice(variables)
        kinds += [
            f"{changed}.append({number})",
            f"{changed}[:0] = {value}",
            f"{variable} = {changed}",
            f"{variable} = {changed}; {variable}.append({number})",
            f"for x in ({changed}, {value}): x.append({number})",
            f"{variable} = [{number}, *{changed}]",
            f"{variable} = [{changed}]; {variable}[0].append({number}); {variable} = {variable}[0]",
            f"{changed} += {value}",
            *[f"{caller}({changed})" for caller in functions],
            *[f"{variable} = {caller}({changed})" for caller in functions],
        ]
    return chance.choice(kinds)


def program(chance: Random) -> Files:
    """Three modules that import each other in various ways, the last with a function `daily`."""
    files: Files = {}
    for index, module in enumerate(MODULES):
        lines: list[str] = []
        names: list[str] = []
        for other in MODULES[:index]:
            outside = _bound(files[other])
            picked = chance.choice(outside)
            style, found = chance.choice(
                [
                    (f"import {other}", [f"{other}.{name}" for name in outside]),
                    (f"import {other} as o_{other}", [f"o_{other}.{name}" for name in outside]),
                    (
                        f"from {other} import {picked.removesuffix('()')} as i_{other}",
                        [f"i_{other}()" if picked.endswith("()") else f"i_{other}"],
                    ),
                    (f"from {other} import *", outside),
                ]
            )
            lines.append(style)
            names += found
        lines.append(f"{chance.choice(VARIABLES)} = [{chance.randrange(10)}]")
        for _ in range(chance.randrange(7)):
            names = list(dict.fromkeys([*names, *_bound(lines)]))
            lines.append(statement(chance, names))
        names = list(dict.fromkeys([*names, *_bound(lines)]))
        if module == "transforms":
            lines.append(f"def daily(x):\n    {body(chance, names)}")
        files[module] = lines
    return files


def _bound(lines: list[str]) -> list[str]:
    """Names that statements bind; functions with parentheses."""
    found = {}
    for node in ast.parse("\n".join(lines)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            decorated = isinstance(node, ast.FunctionDef) and node.decorator_list
            found[node.name] = node.name if decorated else f"{node.name}()"
        elif isinstance(node, ast.Assign):
            for target in (inner for each in node.targets for inner in getattr(each, "elts", [each])):
                if isinstance(target, ast.Name):
                    found[target.id] = f"{target.id}()" if target.id in FUNCTIONS else target.id
    return list(found.values())


def edited(chance: Random, files: Files) -> Files:
    """The program with one number changed, one statement gone, or two neighbours swapped."""
    module = chance.choice(MODULES)
    lines = list(files[module])
    at = chance.randrange(len(lines))
    found = list(LITERAL.finditer(lines[at]))
    if found and chance.random() < 0.6:
        match = chance.choice(found)
        lines[at] = f"{lines[at][: match.start()]}{int(match.group()) + 100}{lines[at][match.end() :]}"
    elif at and chance.random() < 0.5:
        lines[at - 1], lines[at] = lines[at], lines[at - 1]
    else:
        del lines[at]
    return {**files, module: lines}


LAW = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@given(CHANCES)
@LAW
def test_edit_of_the_result_changes_the_fingerprint(chance: Chance) -> None:
    files = program(chance)
    note(files)
    before = outcome(files)
    assume(before is not None)
    edits = []
    for _ in range(5):
        after_files = edited(chance, files)
        after = outcome(after_files)
        event(f"runs: {after is not None}, matters: {before != after}")
        if after is not None and before != after:
            edits.append(after_files)
    if edits:
        assert fingerprint(files).hash not in [fingerprint(each).hash for each in edits]


def with_comments(text: str) -> str:
    return "\n\n# first\n" + text.replace("\n", "  # why\n\n") + "\n"


def documented(text: str) -> str:
    tree = ast.parse(text)
    tree.body.insert(0, ast.Expr(ast.Constant("The module.")))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body[0] = ast.Expr(ast.Constant("Another docstring."))
            else:
                node.body.insert(0, ast.Expr(ast.Constant("A docstring.")))
    return ast.unparse(ast.fix_missing_locations(tree))


def annotated(text: str) -> str:
    """Local and module variables with annotations."""

    class Annotating(ast.NodeTransformer):
        def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
            return node  # there they mean something

        def visit_Assign(self, node: ast.Assign) -> ast.stmt:
            if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                return ast.AnnAssign(node.targets[0], ast.Constant("list"), node.value, 1)
            return node

        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
            if not any(isinstance(inner, ast.Global) for inner in ast.walk(node)):
                self.generic_visit(node)
            return node

    return ast.unparse(ast.fix_missing_locations(Annotating().visit(ast.parse(text))))


def with_more_definitions(text: str) -> str:
    more = "def unreached(x):\n    return daily, x, {}\n\nUNREACHED = 5\n\nclass Unreached:\n    n = 1\n"
    return f"{text}\n{more.format(7)}import json\n"


def spaced(text: str) -> str:
    """Brackets around every assigned value, spaces around commas."""
    tokens = [
        token._replace(string=" , ") if token.string == "," else token
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
    ]
    return tokenize.untokenize((token.type, token.string) for token in tokens)


REWRITINGS: list[Callable[[str], str]] = [
    lambda text: ast.unparse(ast.parse(text)),
    with_comments,
    documented,
    annotated,
    with_more_definitions,
    spaced,
]


@given(CHANCES)
@LAW
def test_equivalent_rewrite_keeps_the_fingerprint(chance: Chance) -> None:
    files = program(chance)
    note(files)
    rewritings, module = chance.choices(REWRITINGS, k=chance.randint(1, 3)), chance.choice(MODULES)
    if any("import *" in line for line in (*files["transforms"], *files["helpers"])):
        rewritings = [rewriting for rewriting in rewritings if rewriting is not with_more_definitions]
    text = "\n".join(files[module]) + "\n"
    for rewriting in rewritings:
        text = rewriting(text)
    ast.parse(text)
    assert fingerprint(files) == fingerprint({**files, module: [text]})


def plain_program(chance: Random) -> tuple[Files, set[str]]:
    """Definitions whose order cannot matter, and those of them that `daily` reaches."""
    names = [f"f{index}" for index in range(chance.randint(2, 7))]
    calls = {name: chance.choices(names, k=chance.randrange(3)) for name in names}
    lines = {}
    for name, called in calls.items():
        body = " + ".join([str(chance.randrange(10)), *(f"{other}()" for other in called)])
        style = chance.choice(
            ["def {0}():\n    return {1}", "{0} = lambda: {1}", "class {0}:\n    n = lambda self: {1}"]
        )
        lines[name] = style.format(name, body)
    first = chance.choice(names)
    reached, waiting = {first}, [first]
    while waiting:
        more = set(calls[waiting.pop()]) - reached
        reached |= more
        waiting += more
    files = {"transforms": [f"def daily(x):\n    return {first}()", *lines.values()]}
    return files, reached


@given(CHANCES)
@LAW
def test_only_reached_code_counts_and_order_does_not(chance: Chance) -> None:
    files, reached = plain_program(chance)
    note(files)
    before = fingerprint(files)
    shuffled = list(files["transforms"])
    chance.shuffle(shuffled)
    assert fingerprint({"transforms": shuffled}) == before
    at = chance.randrange(1, len(shuffled))
    line = files["transforms"][at]
    name = re.search(r"f\d", line)
    assert name is not None
    changed = list(files["transforms"])
    changed[at] = re.sub(r"(?<!f)\b(\d)", r"10\1", line, count=1)
    assert changed != files["transforms"]
    assert (fingerprint({"transforms": changed}) != before) == (name.group() in reached)
