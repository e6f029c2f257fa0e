"""Identifiers, texts and accounts as SQL: the only place where a name becomes part of a statement."""

import hashlib

from pymysql.converters import escape_string

_LONGEST_NAME = 64


def name(identifier: str) -> str:
    """An identifier between backticks."""
    return "`" + identifier.replace("`", "``") + "`"


def names(*identifiers: str) -> str:
    """A qualified name: schema and table."""
    return ".".join(name(i) for i in identifiers)


def text(value: str) -> str:
    """A string literal; valid while NO_BACKSLASH_ESCAPES is off, as our sessions set it."""
    return "'" + escape_string(value) + "'"


def account(label: str) -> str:
    """'name'@'host' from name@host; a host never holds an @, a name may."""
    user, host = split_account(label)
    return f"{text(user)}@{text(host)}" if host else text(user)


def split_account(label: str) -> tuple[str, str]:
    """User and host of name@host; a role (name@) has no host."""
    user, _, host = label.rpartition("@") if "@" in label else (label, "@", "%")
    return user, host


def pattern(schema: str) -> str:
    """A schema's name where GRANT would read _ and % as wildcards."""
    return name(schema.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"))


def unquote(quoted: str) -> str:
    """The identifier inside backticks or double quotes."""
    return quoted[1:-1].replace(quoted[0] * 2, quoted[0])


def marks_schema(schema: str) -> str:
    """The schema beside `schema` on the target that holds our marks."""
    wanted = f"qianyun_copy_{schema}"
    if len(wanted) <= _LONGEST_NAME:
        return wanted
    return f"qianyun_copy_{hashlib.sha256(schema.encode()).hexdigest()[:32]}"
