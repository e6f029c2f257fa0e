"""Views as MariaDB and MySQL print them, brought to one form; what is not understood is not guessed at."""

import re

from tasks.databases.mysql.expressions import Parser, Unclear, tokens

_HEAD = re.compile(
    r"(?s)\ACREATE ALGORITHM=(?P<algorithm>\w+) (?:DEFINER=\S+ )?SQL SECURITY (?P<security>\w+) VIEW"
    r" (?P<name>`(?:[^`]|``)*`)(?: \((?P<columns>(?:`(?:[^`]|``)*`,?)+)\))? AS (?P<body>.*?)"
    r"(?P<check> WITH (?:CASCADED|LOCAL) CHECK OPTION)?\Z"
)
_AGGREGATES = ("count", "sum", "min", "max", "avg")
_JOINS = ("left join", "right join", "join", "straight_join")
_ENDS = {
    "from", "where", "group", "having", "order", "limit", "union", ")", "", "join", "left", "right", "inner",
    "on", "cross", "straight_join", "with",
}  # fmt: skip


def common_form(definition: str) -> str:
    """Raises: Unclear"""
    head = _HEAD.match(definition)
    if head is None:
        raise Unclear("the head of its text")
    reader = _Query(tokens(head["body"]))
    names = re.findall(r"`(?:[^`]|``)*`", head["columns"] or "")
    body = reader.query(names)
    reader.expect_end()
    return (
        f"CREATE ALGORITHM={head['algorithm']} SQL SECURITY {head['security']} VIEW {head['name']} AS {body}"
        f"{head['check'] or ''}"
    )


class _Query(Parser):
    def query(self, names: list[str] | None = None) -> str:
        """One select or several united; `names`: what the columns are called, where the view says so."""
        found = self._select(names or [])
        while self.take("union"):
            every = " all" if self.take("all") else ""
            self.take("distinct")
            found += f" union{every} {self._select([])}"
        return found

    def _select(self, names: list[str]) -> str:
        self.expect("select")
        distinct = " distinct" if self.take("distinct") else ""
        items = self._items(names)
        shown = [f"{value} AS {label}" if label else value for value, label in items]
        said = [f"select{distinct} {', '.join(shown)}"]
        if self.take("from"):
            said.append(f"from {self._tables()}")
        if self.take("where"):
            said.append(f"where {self.expression()}")
        if self.take("group", "by"):
            said.append(f"group by {', '.join(self._sorted(items))}")
        if self.take("having"):
            said.append(f"having {self.expression()}")
        if self.take("order", "by"):
            said.append(f"order by {', '.join(self._sorted(items))}")
        if self.take("limit"):
            amounts = [self.expression()]
            while self.take(","):
                amounts.append(self.expression())
            said.append(f"limit {', '.join(amounts)}")
        return " ".join(said)

    def _items(self, names: list[str]) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        while True:
            value, label = self.expression(), ""
            if self.take("as"):
                label = self.next().text
            found.append((value, names[len(found)] if len(names) > len(found) else label))
            if not self.take(","):
                return found

    def _sorted(self, items: list[tuple[str, str]]) -> list[str]:
        """What it is sorted or grouped by; where that is one of the columns shown, the column itself."""
        by_name = {label: value for value, label in items if label}
        found = []
        while True:
            value = self.expression()
            if value.isdigit() and 0 < int(value) <= len(items):
                value = items[int(value) - 1][0]
            way = " desc" if self.take("desc") else ""
            self.take("asc")
            found.append(by_name.get(value, value) + way)
            if not self.take(","):
                return found

    def _tables(self) -> str:
        found = self._table()
        while True:
            how = next(
                (w for w in ("left join", "right join", "join", "straight_join") if self.take(*w.split())), ""
            )
            if not how and self.take("inner", "join"):
                how = "join"
            if not how:
                return found
            other = self._table()
            condition = f" on {self.expression()}" if self.take("on") else ""
            found = f"({found} {how} {other}{condition})"

    def _table(self) -> str:
        if self.take("("):
            if self.peek() == "select":
                inner = f"({self.query()})"
                self.expect(")")
                self.take("as")
                return f"{inner} {self.next().text}"
            inner = self._tables()
            self.expect(")")
            return inner
        token = self.next()
        if token.kind != "name":
            raise Unclear(token.text)
        found = self.qualified(token.text)
        if self.peek() not in _ENDS and self.peek() != ",":
            found += f" {self.next().text}"
        if self.peek() == ",":
            raise Unclear("tables joined by commas")
        return found

    def bracketed(self) -> str:
        if self.peek() != "select":
            return super().bracketed()
        found = f"({self.query()})"
        self.expect(")")
        return found

    def listed(self) -> list[str]:
        if self.peek() != "select":
            return super().listed()
        found = [self.query()]
        self.expect(")")
        return found

    def word(self, word: str) -> str:
        if word == "exists" and self.take("("):
            found = f"exists({re.sub(r' limit 1$', '', self.query())})"
            self.expect(")")
            return found
        if word in _AGGREGATES and self.take("("):
            distinct = "distinct " if self.take("distinct") else ""
            found = f"{word}({distinct}{', '.join(self.listed())})"
            if self.peek() == "over":
                raise Unclear(f"{word}() over a window")
            return found
        return super().word(word)

    def qualified(self, name: str) -> str:
        found = super().qualified(name)
        # A stored function of the schema.
        return f"{found}({', '.join(self.listed())})" if self.take("(") else found
