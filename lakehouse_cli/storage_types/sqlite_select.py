"""Reads a SELECT of SQLite: https://www.sqlite.org/lang_select.html.

SQLite itself says whether a text is right; what is read here is more than it takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from lakehouse_cli.storage_types.sqlite_sql import Token, tokens
from lakehouse_cli.storage_types.sqlite_tree import Clause, Core, Expression, Item, Select, Source

_T = TypeVar("_T")
_SET_OPERATORS = (("union", "all"), ("union",), ("intersect",), ("except",))
_JOINS = frozenset(("natural", "left", "right", "full", "outer", "inner", "cross", "join", ","))
#: Words that are no name given without AS.
_NO_ALIAS = re.compile(
    r"natural|left|right|full|outer|inner|cross|join|from|where|group|having|order|limit|offset|union|intersect|except"
    r"|window|on|using|indexed|not|as|values"
)
_EQUALITY = ("=", "==", "<>", "!=")
_PATTERNS = ("like", "glob", "regexp", "match")
#: Operators by how tightly they bind, from `<` on.
_BINARY = (("<", "<=", ">", ">="), ("&", "|", "<<", ">>"), ("+", "-"), ("*", "/", "%"), ("||", "->", "->>"))
_LAST = len(_BINARY)
_CONSTANTS = ("null", "true", "false", "current_date", "current_time", "current_timestamp")


class UnreadableError(Exception):
    """A text is no SELECT that is understood here, from a 0-based offset on."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def read_select(text: str) -> Select:
    """Read the tree of a query.

    Raises:
        UnreadableError: It is not understood.
    """
    parser = _Parser(text)
    try:
        found = parser.select()
    except RecursionError:
        raise UnreadableError(0) from None
    parser.expect("")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = [*tokens(text), Token("end", "", len(text))]
        self._at = 0

    # Tokens.

    @property
    def _begin(self) -> int:
        return self._tokens[self._at].begin

    def _word(self, ahead: int = 0) -> str:
        """A keyword or operator in small letters; empty for all else."""
        token = self._tokens[min(self._at + ahead, len(self._tokens) - 1)]
        return token.written.lower() if token.kind in ("word", "operator") else ""

    def _take(self, *words: str) -> bool:
        if any(self._word(ahead) != word for ahead, word in enumerate(words)):
            return False
        self._at += len(words)
        return True

    def expect(self, word: str) -> None:
        """Pass a keyword or operator; the end of the text, where it is empty."""
        if not word and self._tokens[self._at].kind == "end":
            return
        if not word or not self._take(word):
            raise UnreadableError(self._begin)

    def _name(self) -> str:
        token = self._tokens[self._at]
        if not token.name and token.kind != "text":
            raise UnreadableError(token.begin)
        self._at += 1
        return token.name or token.value.lower()

    def _alias(self) -> str:
        if self._take("as"):
            return self._name()
        token = self._tokens[self._at]
        return self._name() if (token.name and not _NO_ALIAS.fullmatch(self._word())) or token.kind == "text" else ""

    def _names(self) -> tuple[str, ...]:
        return self._listed(self._name)

    def _listed(self, one: Callable[[], _T]) -> tuple[_T, ...]:
        """What stands in parentheses, which may be nothing."""
        self.expect("(")
        found = () if self._word() == ")" else self._several(one)
        self.expect(")")
        return found

    def _several(self, one: Callable[[], _T]) -> tuple[_T, ...]:
        found = [one()]
        while self._take(","):
            found.append(one())
        return tuple(found)

    # Queries.

    def select(self) -> Select:
        begin, clauses = self._begin, list[Clause]()
        if self._take("with"):
            self._take("recursive")
            clauses += self._several(self._clause)
        cores = [*self._cores()]
        while any(self._take(*words) for words in _SET_OPERATORS):
            cores += self._cores()
        others: list[Expression] = []
        if self._take("order", "by"):
            others += self._several(self._term)
        if self._take("limit"):
            others += self._several(self.expression)
            if self._take("offset"):
                others.append(self.expression())
        return Select(begin, tuple(clauses), tuple(cores), tuple(others))

    def _clause(self) -> Clause:
        name = self._name()
        columns = self._names() if self._word() == "(" else ()
        self.expect("as")
        self._take("not")
        self._take("materialized")
        return Clause(name, columns, self._subquery())

    def _subquery(self) -> Select:
        self.expect("(")
        found = self.select()
        self.expect(")")
        return found

    def _cores(self) -> tuple[Core, ...]:
        if self._take("values"):
            rows = self._several(lambda: self._listed(self.expression))
            return tuple(Core(tuple(Item("", each) for each in row)) for row in rows)
        self.expect("select")
        _ = self._take("distinct") or self._take("all")
        items = self._several(self._item)
        sources: list[Source] = []
        others: list[Expression] = []
        if self._take("from"):
            self._join(sources, others)
        if self._take("where"):
            others.append(self._condition())
        if self._take("group", "by"):
            others += self._several(self.expression)
        if self._take("having"):
            others.append(self._condition())
        if self._take("window"):
            for several in self._several(self._named_window):
                others += several
        return (Core(items, tuple(sources), tuple(others)),)

    def _item(self) -> Item:
        if self._take("*"):
            return Item("", None)
        if self._word(1) == "." and self._word(2) == "*":
            name = self._name()
            self._at += 2
            return Item(name, None)
        expression = self.expression()
        alias = self._alias()
        return Item(alias or (expression.value if expression.kind == "column" else ""), expression)

    def _join(self, sources: list[Source], others: list[Expression]) -> None:
        self._source(sources, others)
        while self._word() in _JOINS:
            natural = False
            while self._word() in _JOINS:
                natural |= self._word() == "natural"
                self._at += 1
            first = len(sources)
            self._source(sources, others)
            if self._take("on"):
                others.append(self._condition())
            using = self._names() if self._take("using") else ()
            if natural or using:
                joined = sources[first]
                sources[first] = Source(
                    joined.name, joined.alias, joined.begin, joined.select, None if natural else using
                )

    def _source(self, sources: list[Source], others: list[Expression]) -> None:
        begin = self._begin
        if self._word() == "(" and self._word(1) in ("select", "with", "values"):
            select = self._subquery()
            sources.append(Source("", self._alias(), begin, select))
        elif self._take("("):
            self._join(sources, others)
            self.expect(")")
            self._alias()
        else:
            name = self._name()
            if self._take("."):
                name = self._name()
            if self._word() == "(":
                others += self._listed(self.expression)
            sources.append(Source(name, self._alias() or name, begin))
            if self._take("indexed", "by"):
                self._name()
            self._take("not", "indexed")

    def _named_window(self) -> tuple[Expression, ...]:
        self._name()
        self.expect("as")
        return self._window()

    def _window(self) -> tuple[Expression, ...]:
        self.expect("(")
        found: list[Expression] = []
        if self._word() not in (")", "partition", "order", "range", "rows", "groups"):
            self._name()
        for words in (("partition", "by"), ("order", "by")):
            if self._take(*words):
                found += self._several(self._term)
        depth = 1
        while depth:  # the frame
            self._at += 1
            depth += {"(": 1, ")": -1}.get(self._word(-1), 0)
            if self._at >= len(self._tokens):
                raise UnreadableError(self._tokens[-1].begin)
        return tuple(found)

    def _term(self) -> Expression:
        expression = self.expression()
        _ = self._take("asc") or self._take("desc")
        if self._take("nulls"):
            self._at += 1
        return expression

    # Expressions.

    def expression(self) -> Expression:
        return self._tests("or", lambda: self._tests("and", self._not))

    def _condition(self) -> Expression:
        return Expression("test", self._begin, "and", (self.expression(),))

    def _tests(self, word: str, one: Callable[[], Expression]) -> Expression:
        found = [one()]
        while self._take(word):
            found.append(one())
        return found[0] if len(found) == 1 else Expression("test", found[0].begin, word, tuple(found))

    def _not(self) -> Expression:
        begin = self._begin
        if self._take("not"):
            return Expression("test", begin, "not", (self._not(),))
        return self._equality()

    def _equality(self) -> Expression:
        left = self._binary(0)
        while True:
            begin, at = self._begin, self._at
            if self._word() in _EQUALITY:
                self._at += 1
                left = Expression("compare", left.begin, "=", (left, self._binary(0)))
            elif self._take("is"):
                self._take("not")
                if self._take("distinct"):
                    self.expect("from")
                left = Expression("compare", left.begin, "=", (left, self._binary(0)))
            elif self._take("isnull") or self._take("notnull") or self._take("not", "null"):
                left = Expression("test", left.begin, "", (left,))
            else:
                self._take("not")
                if self._take("between"):
                    low = self._binary(0)
                    self.expect("and")
                    signs = {">=": low, "<=": self._binary(0)}
                    tests = (Expression("compare", left.begin, sign, (left, each)) for sign, each in signs.items())
                    left = Expression("test", left.begin, "between", tuple(tests))
                elif self._take("in"):
                    tests = (Expression("compare", left.begin, "=", (left, each)) for each in self._in(begin))
                    left = Expression("test", left.begin, "in", (left, *tests))
                elif self._word() in _PATTERNS:
                    self._at += 1
                    parts = [left, self._binary(0)]
                    if self._take("escape"):
                        parts.append(self._binary(0))
                    left = Expression("test", left.begin, "like", tuple(parts))
                else:
                    self._at = at
                    return left

    def _in(self, begin: int) -> tuple[Expression, ...]:
        if self._word() != "(":
            sources: list[Source] = []
            others: list[Expression] = []
            self._source(sources, others)
            every = Select(begin, (), (Core((Item("", None),), tuple(sources), tuple(others)),), ())
            return (Expression("select", begin, select=every),)
        if self._word(1) in ("select", "with", "values"):
            return (Expression("select", begin, select=self._subquery()),)
        return self._listed(self.expression)

    def _binary(self, level: int) -> Expression:
        if level == _LAST:
            return self._collated()
        left = self._binary(level + 1)
        while self._word() in _BINARY[level]:
            sign = self._word()
            self._at += 1
            kind = {0: "compare", _LAST - 1: "||" if sign == "||" else "->"}.get(level, "arithmetic")
            before = left.parts if left.kind == kind == "||" else (left,)
            left = Expression(kind, left.begin, sign, (*before, self._binary(level + 1)))
        return left

    def _collated(self) -> Expression:
        found = self._unary()
        while self._take("collate"):
            self._name()
        return found

    def _unary(self) -> Expression:
        begin = self._begin
        if self._take("+"):
            return Expression("same", begin, parts=(self._unary(),))
        if self._take("-") or self._take("~"):
            return Expression("arithmetic", begin, "-", (self._unary(),))
        if self._take("not"):
            return Expression("test", begin, "not", (self._equality(),))
        return self._primary()

    def _primary(self) -> Expression:
        token, begin = self._tokens[self._at], self._begin
        if self._word() in ("(", "exists"):
            return self._parenthesized()
        if self._word() in ("case", "cast"):
            return self._case() if self._take("case") else self._cast()
        self._at += 1
        if token.kind in ("text", "number", "param"):
            return Expression(token.kind, begin, token.value)
        if not token.name:
            raise UnreadableError(begin)
        if token.kind == "word" and token.name in _CONSTANTS:
            return Expression("constant", begin, token.name)
        if token.kind == "word" and token.name == "x" and self._tokens[self._at].kind == "text":
            self._at += 1
            return Expression("blob", begin)
        if self._word() == "(":
            return self._call(token.name, begin)
        names = [token.name]
        while self._take("."):
            names.append(self._name())
        return Expression("column", begin, names[-1], table=names[-2] if len(names) > 1 else "")

    def _parenthesized(self) -> Expression:
        begin = self._begin
        is_test = self._take("exists")
        if is_test or self._word(1) in ("select", "with", "values"):
            found = Expression("select", begin, select=self._subquery())
            return Expression("test", begin, "exists", (found,)) if is_test else found
        parts = self._listed(self.expression)
        return parts[0] if len(parts) == 1 else Expression("row", begin, parts=parts)

    def _case(self) -> Expression:
        begin = self._tokens[self._at - 1].begin
        base = None if self._word() == "when" else self.expression()
        conditions: list[Expression] = []
        results: list[Expression] = []
        while self._take("when"):
            if base is None:
                conditions.append(self._condition())
            else:
                conditions.append(Expression("compare", base.begin, "=", (base, self.expression())))
            self.expect("then")
            results.append(self.expression())
        if self._take("else"):
            results.append(self.expression())
        self.expect("end")
        return Expression("case", begin, "case", tuple(results), tuple(conditions))

    def _cast(self) -> Expression:
        begin = self._begin
        self._at += 1
        self.expect("(")
        part = self.expression()
        self.expect("as")
        words = []
        while self._tokens[self._at].name:
            words.append(self._name())
        if self._word() == "(":
            self._listed(self._unary)
        self.expect(")")
        return Expression("cast", begin, " ".join(words), (part,))

    def _call(self, name: str, begin: int) -> Expression:
        parts: tuple[Expression, ...] = ()
        others: list[Expression] = []
        self.expect("(")
        if not self._take("*") and self._word() != ")":
            self._take("distinct")
            parts = self._several(self.expression)
            if self._take("order", "by"):
                others += self._several(self._term)
        self.expect(")")
        if self._take("filter"):
            self.expect("(")
            self.expect("where")
            others.append(self._condition())
            self.expect(")")
        if self._take("over"):
            if self._word() == "(":
                others += self._window()
            else:
                self._name()
        return Expression("call", begin, name, parts, tuple(others))
