"""SQL expressions as MariaDB and MySQL print them, brought to one form: all brackets, one spelling each.

Each server prints what it has parsed in its own way. What is not understood here, or may mean something else
at the other server, is not guessed at.
"""

import re
from typing import NamedTuple

from tasks.databases.mysql.quoting import text

_TOKEN = re.compile(
    r"""(?xs)
    (?P<space>\s+)
  | (?P<name>`(?:[^`]|``)*`)
  | (?P<hex>0x[0-9A-Fa-f]+ | [xX]'[0-9A-Fa-f]*')
  | (?P<bits>[bB]'[01]*' | 0b[01]+)
  | (?P<text>'(?:[^'\\]|\\.|'')*')
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<word>[A-Za-z_][\w$]*)
  | (?P<sign><=>|<=|>=|<>|!=|\|\||&&|<<|>>|[-+*/%^&|~!=<>(),.])
    """
)
_SAME = {"!=": "<>", "&&": "and", "mod": "%"}
_BINARY = {
    "or": 1, "xor": 2, "and": 3, "=": 6, "<=>": 6, ">=": 6, ">": 6, "<=": 6, "<": 6, "<>": 6, "|": 7, "&": 8,
    "<<": 9, ">>": 9, "+": 10, "-": 10, "*": 11, "/": 11, "div": 11, "%": 11, "^": 12,
}  # fmt: skip
_FLAT = ("or", "and")
_NOT, _COMPARISON, _UNARY, _COLLATE = 4, 6, 13, 15
_UNITS = {"microsecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"}
# Whose values the servers compute alike; measured or by their manuals. Not among them: regular expressions
# (other engines), JSON (other texts), MD5 and SHA1 (MySQL 9 has none).
_FUNCTIONS = {
    "abs", "ascii", "bit_length", "ceiling", "char_length", "coalesce", "concat", "concat_ws", "conv",
    "crc32", "curdate", "current_timestamp", "curtime", "date", "datediff", "dayofmonth", "dayofweek",
    "dayofyear", "elt", "field", "find_in_set", "floor", "greatest", "hex", "hour", "if", "ifnull",
    "instr", "json_valid", "lcase", "least", "left", "length", "locate", "lower", "lpad", "ltrim",
    "microsecond", "minute", "month", "now", "nullif", "octet_length", "ord", "quarter", "repeat",
    "replace", "reverse", "right", "round", "rpad", "rtrim", "sec_to_time", "second", "sha2", "sign",
    "substr", "substring", "time_to_sec", "to_days", "to_seconds", "trim", "truncate", "ucase", "unhex",
    "unix_timestamp", "upper", "utc_timestamp", "uuid", "weekday", "year", "yearweek",
}  # fmt: skip
_SPELT = {
    "ceil": "ceiling", "character_length": "char_length", "day": "dayofmonth", "lcase": "lower",
    "ucase": "upper", "octet_length": "length", "substring": "substr", "now": "current_timestamp",
    "current_date": "curdate", "localtime": "current_timestamp", "localtimestamp": "current_timestamp",
}  # fmt: skip
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "Z": "\x1a", "b": "\b"}


class Unclear(Exception):
    """Something that may mean another thing at the other server, or is not known here."""


class Token(NamedTuple):
    kind: str
    text: str


def common_form(expression: str) -> str:
    """The form in which equal expressions of both servers are equal; either takes it.

    Raises: Unclear
    """
    parser = Parser(tokens(expression))
    found = parser.expression()
    parser.expect_end()
    return found


def tokens(expression: str) -> list[Token]:
    found, at = [], 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise Unclear(expression[at : at + 20])
        at = match.end()
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, match[0].lower() if kind in ("word", "sign") else match[0]))
    return found


def literal(quoted: str) -> str:
    """A string literal in one spelling."""
    return text(re.sub(r"(?s)\\(.)|''", _unescaped, quoted[1:-1]))


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPED.get(found[1], found[1]) if found[1] else "'"


class Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._at = tokens, 0

    def peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].text if at < len(self._tokens) else ""

    def next(self) -> Token:
        if self._at == len(self._tokens):
            raise Unclear("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def take(self, *words: str) -> bool:
        if [self.peek(n) for n in range(len(words))] != list(words):
            return False
        self._at += len(words)
        return True

    def expect(self, word: str) -> None:
        if not self.take(word):
            raise Unclear(f"{self.peek()!r} where {word!r} was expected")

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise Unclear(self.peek())

    def expression(self, least: int = 0) -> str:
        left = self._operand()
        while True:
            sign = _SAME.get(self.peek(), self.peek())
            level = _BINARY.get(sign, 0)
            if level and level >= least:
                self.next()
                left = self._joined(sign, left, level)
            elif least <= _COMPARISON and (compared := self._compared(left)):
                left = compared
            elif least <= _COLLATE and self.take("collate"):
                left = f"({left} collate {self.next().text})"
            else:
                return left

    def _joined(self, sign: str, left: str, level: int) -> str:
        parts = [left, self.expression(level + 1)]
        # "a and b and c" is printed with or without the inner brackets.
        while sign in _FLAT and _SAME.get(self.peek(), self.peek()) == sign:
            self.next()
            parts.append(self.expression(level + 1))
        if sign in _FLAT:
            parts = [p for part in parts for p in _inner(part, sign)]
        return "(" + f" {sign} ".join(parts) + ")"

    def _compared(self, left: str) -> str:
        denied = "not " if self.peek() == "not" and self.peek(1) in ("in", "like", "between") else ""
        if denied:
            self.next()
        if self.take("is"):
            other = "not " if self.take("not") else ""
            return f"({left} is {other}{self.next().text})"
        if self.take("in"):
            self.expect("(")
            return f"({left} {denied}in ({', '.join(self.listed())}))"
        if self.take("like"):
            pattern = self.expression(_COMPARISON + 1)
            escape = f" escape {self.expression(_COMPARISON + 1)}" if self.take("escape") else ""
            return f"({left} {denied}like {pattern}{escape})"
        if self.take("between"):
            low = self.expression(_COMPARISON + 1)
            self.expect("and")
            return f"({left} {denied}between {low} and {self.expression(_COMPARISON + 1)})"
        return ""

    def listed(self) -> list[str]:
        """Expressions up to the closing bracket, which is taken."""
        found: list[str] = []
        while not self.take(")"):
            if found:
                self.expect(",")
            found.append(self.expression())
        return found

    def _operand(self) -> str:
        token = self.next()
        if token.kind == "text":
            return literal(token.text)
        if token.kind == "hex":
            digits = token.text[2:].strip("'").upper()
            return f"x'{digits}'"
        if token.kind == "bits":
            return f"b'{token.text[2:].strip(chr(39))}'"
        if token.kind == "number":
            return token.text.lower()
        if token.kind == "name":
            return self.qualified(token.text)
        special = _SPECIAL.get(token.text)
        if special is not None:
            return str(getattr(self, special)())
        if token.kind == "word":
            return self.word(token.text)
        raise Unclear(token.text)

    def qualified(self, name: str) -> str:
        while self.take("."):
            name += "." + self.next().text
        return name

    def word(self, word: str) -> str:
        if word.startswith("_") and self.peek()[:1] in ("'", "x", "X", "0"):
            value = self._operand()
            charset = "_utf8mb3" if word == "_utf8" else word
            # The session's own, which MySQL writes down and MariaDB does not.
            return value if charset == "_utf8mb4" else f"{charset} {value}"
        if not self.take("("):
            if word in ("null", "true", "false", "current_timestamp"):
                return "current_timestamp()" if word == "current_timestamp" else word
            raise Unclear(word)
        word = _SPELT.get(word, word)
        if word not in _FUNCTIONS:
            raise Unclear(f"{word}()")
        return f"{word}({', '.join(self.listed())})"

    def bracketed(self) -> str:
        found = self.expression()
        self.expect(")")
        return found

    def negative(self) -> str:
        value = self.expression(_UNARY)
        return f"-{value}" if value[0].isdigit() or value[0] == "." else f"(-{value})"

    def inverted(self) -> str:
        return f"(~{self.expression(_UNARY)})"

    def denied(self) -> str:
        return f"(not {self.expression(_NOT)})"

    def case(self) -> str:
        subject = "" if self.peek() == "when" else f" {self.expression()}"
        parts = []
        while self.take("when"):
            condition = self.expression()
            self.expect("then")
            parts.append(f" when {condition} then {self.expression()}")
        otherwise = f" else {self.expression()}" if self.take("else") else ""
        self.expect("end")
        return f"(case{subject}{''.join(parts)}{otherwise} end)"

    def interval(self) -> str:
        amount, unit = self.expression(), self.next().text
        if unit not in _UNITS:
            raise Unclear(f"interval {unit}")
        return f"interval {amount} {unit}"

    def cast(self) -> str:
        self.expect("(")
        value = self.expression()
        self.expect("as")
        words, depth = [], 0
        while depth or self.peek() != ")":
            word = self.next().text
            depth += {"(": 1, ")": -1}.get(word, 0)
            words.append(word)
        self.expect(")")
        kind = " ".join(words).replace(" ( ", "(").replace(" )", ")").replace(" , ", ",")
        return f"cast({value} as {kind.replace('character set', 'charset').replace(' integer', '')})"


_SPECIAL = {
    "(": "bracketed", "-": "negative", "~": "inverted", "not": "denied", "!": "denied", "case": "case",
    "interval": "interval", "cast": "cast",
}  # fmt: skip


def _inner(part: str, sign: str) -> list[str]:
    """The operands of an inner chain of the same sign, which means the same without its brackets."""
    if not (part.startswith("(") and part.endswith(")")):
        return [part]
    pieces, depth, start, quote = [], 0, 1, ""
    at = 1
    while at < len(part) - 1:
        character = part[at]
        if quote:
            if character == "\\" and quote == "'":
                at += 1
            elif character == quote:
                quote = ""
        elif character in "'`":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth < 0:
                return [part]
        elif not depth and part.startswith(f" {sign} ", at):
            pieces.append(part[start:at])
            start = at + len(sign) + 2
            at = start
            continue
        at += 1
    if not pieces or " between " in part:
        return [part]
    return [*pieces, part[start:-1]]
