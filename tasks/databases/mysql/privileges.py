"""Who may do what: our own privileges, and accounts that move."""

import hashlib
import re
from collections.abc import Iterable, Mapping

from core.errors import Unreadable
from core.secret import Secret
from tasks.databases.model import Account, Grant, Purpose
from tasks.databases.mysql.quoting import account as account_sql
from tasks.databases.mysql.quoting import name, pattern, text, unquote
from tasks.databases.mysql.session import ReadSession

_NEEDED: Mapping[Purpose, tuple[str, ...]] = {
    "copy-from": ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT"),
    "return-to": ("SELECT", "INSERT", "UPDATE", "DELETE", "TRIGGER", "EVENT"),
    "copy-to": (
        "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "TRIGGER",
        "CREATE VIEW", "SHOW VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "EXECUTE", "EVENT",
    ),
}  # fmt: skip
_NEEDED_GLOBALLY: Mapping[Purpose, tuple[str, ...]] = {
    "accounts-to": ("CREATE USER",),
    "freeze": ("PROCESS",),
}
_ACCOUNTS = "mysql"
"""The schema in which servers keep their accounts."""
_FILTERS = "performance_schema"
"""The schema in which MySQL shows what it filters when it replicates."""
_MAY_NAME_DEFINERS = {"SET USER", "SET_USER_ID", "SET_ANY_DEFINER"}
_MAY_FREEZE = {"SUPER", "READ_ONLY ADMIN", "READ ONLY ADMIN", "SYSTEM_VARIABLES_ADMIN"}

_MAY_WRITE_WHEN_FROZEN = {"SUPER", "CONNECTION_ADMIN", "ALL PRIVILEGES"}
"""Of MySQL; in MariaDB the privilege to freeze is that to write all the same."""

_BY_DEFAULT = "USED BY DEFAULT"  # sorts behind MEMBER, which it needs
_QUOTED = r"(?:`(?:[^`]|``)*`|\*)"
_WHO = r"`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?"
_ROLE = re.compile(rf"\AGRANT (?P<roles>{_WHO}(?:,{_WHO})*) TO .*?(?P<option> WITH ADMIN OPTION)?\Z")
# MySQL names them with the account itself, which is made before its roles are.
_MADE_WITH_ROLES = re.compile(rf" DEFAULT ROLE (?P<roles>{_WHO}(?:,{_WHO})*)(?= REQUIRE )")
_DEFAULT_ROLE = re.compile(rf"\ASET DEFAULT ROLE (?P<role>{_WHO}) FOR ")
_PART = re.compile(r"((?:[A-Z_]+ )*[A-Z_]+)(?: \(((?:`(?:[^`]|``)*`|[^()`])*)\))?")
_COLUMN = re.compile(r"`(?:[^`]|``)*`|[^,\s`]+")
_GRANT = re.compile(
    rf"\AGRANT (?P<what>.+?) ON (?P<kind>PROCEDURE |FUNCTION |PACKAGE BODY |PACKAGE )?"
    rf"(?P<schema>{_QUOTED})\.(?P<object>{_QUOTED}) TO .*?(?P<option> WITH GRANT OPTION)?\Z"
)


def missing(session: ReadSession, schema: str, purpose: Purpose) -> tuple[str, ...]:
    """The statements that would give what `purpose` still needs."""
    found = [match for line in _own_grants(session) if (match := _GRANT.match(line))]
    everywhere = _privileges(m for m in found if m["schema"] == "*")
    here = everywhere | _on_schema(found, schema)
    ours = session.one("SELECT CURRENT_USER()")[0]
    statements = []
    if lacking := [p for p in _NEEDED.get(purpose, ()) if not {p, "ALL PRIVILEGES"} & here]:
        statements.append(f"GRANT {', '.join(lacking)} ON {pattern(schema)}.* TO {account_sql(ours)};")
    lacking = [p for p in _NEEDED_GLOBALLY.get(purpose, ()) if not {p, "ALL PRIVILEGES"} & everywhere]
    if purpose == "follow-from":
        lacking += _to_follow(session, everywhere)
    if purpose == "replicate-to":
        lacking += _to_replicate(session, everywhere)
        sees = {"SELECT", "ALL PRIVILEGES"} & (everywhere | _on_schema(found, _FILTERS))
        if not session.is_mariadb and not sees:
            statements.append(f"GRANT SELECT ON {_FILTERS}.* TO {account_sql(ours)};")
    if purpose == "freeze" and not (_MAY_FREEZE | {"ALL PRIVILEGES"}) & everywhere:
        lacking.append("READ_ONLY ADMIN" if session.is_mariadb else "SYSTEM_VARIABLES_ADMIN")
    may_name = (_MAY_NAME_DEFINERS | {"ALL PRIVILEGES"}) & everywhere
    if purpose == "return-to" and not may_name and _foreign_definers(session, schema, ours):
        lacking.append("SET USER" if session.is_mariadb else _to_name_definers(session))
    if purpose == "return-to" and not session.is_mariadb and not _MAY_WRITE_WHEN_FROZEN & everywhere:
        lacking.append("CONNECTION_ADMIN")
    if purpose in ("accounts-from", "accounts-to") and not {"SELECT", "ALL PRIVILEGES"} & (
        everywhere | _on_schema(found, _ACCOUNTS)
    ):
        statements.append(f"GRANT SELECT ON {_ACCOUNTS}.* TO {account_sql(ours)};")
    if lacking:
        statements.append(f"GRANT {', '.join(lacking)} ON *.* TO {account_sql(ours)};")
    if purpose == "return-to" and not {"SUPER", "ALL PRIVILEGES"} & everywhere:
        statements += _to_touch_triggers(session, schema)
    return tuple(statements)


def _to_name_definers(session: ReadSession) -> str:
    """One privilege until MySQL 8.2 made two of it."""
    known = {str(row[0]) for row in session.query("SHOW PRIVILEGES")}
    return "SET_USER_ID" if "SET_USER_ID" in known else "SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER"


def _to_touch_triggers(session: ReadSession, schema: str) -> list[str]:
    """With a binary log only SUPER may drop triggers and make them again, unless the server trusts others."""
    logs, trusts = session.one("SELECT @@global.log_bin, @@global.log_bin_trust_function_creators")
    if not int(logs) or int(trusts):
        return []
    query = f"SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {text(schema)} LIMIT 1"
    return ["SET GLOBAL log_bin_trust_function_creators = 1;"] if session.query(query) else []


def _to_follow(session: ReadSession, held: set[str]) -> list[str]:
    # MariaDB shows REPLICATION SLAVE under its other name; BINLOG MONITOR was REPLICATION CLIENT before 10.5.
    monitor = ("BINLOG MONITOR", "REPLICATION CLIENT") if session.is_mariadb else ("REPLICATION CLIENT",)
    wanted = (("REPLICATION SLAVE", "REPLICATION REPLICA"), monitor)
    return [either[0] for either in wanted if not {*either, "ALL PRIVILEGES"} & held]


def _to_replicate(session: ReadSession, held: set[str]) -> list[str]:
    """By which the target's server is told to replicate, and tells how it gets on."""
    wanted: tuple[tuple[str, ...], ...] = (("REPLICATION_SLAVE_ADMIN", "SUPER"), ("REPLICATION CLIENT",))
    if session.is_mariadb:
        # Under both of their names.
        wanted = (
            ("REPLICATION SLAVE ADMIN", "REPLICATION REPLICA ADMIN"),
            ("SLAVE MONITOR", "REPLICA MONITOR"),
        )
    # By RELOAD it is taken away again.
    wanted += (("RELOAD",),)
    return [either[0] for either in wanted if not {*either, "ALL PRIVILEGES"} & held]


def holds(session: ReadSession, privilege: str) -> bool:
    """Whether we have a privilege for the whole server."""
    return bool({privilege, "ALL PRIVILEGES"} & everywhere(session))


def everywhere(session: ReadSession) -> set[str]:
    """Our privileges for the whole server."""
    found = [match for line in _own_grants(session) if (match := _GRANT.match(line))]
    return _privileges(m for m in found if m["schema"] == "*")


def sees_accounts(session: ReadSession) -> bool:
    """Whether we may look at every account and its rights."""
    found = [match for line in _own_grants(session) if (match := _GRANT.match(line))]
    held = _privileges(m for m in found if m["schema"] == "*") | _on_schema(found, _ACCOUNTS)
    return bool({"SELECT", "ALL PRIVILEGES"} & held)


def _foreign_definers(session: ReadSession, schema: str, ours: str) -> bool:
    """Whether triggers or events would be made again in the name of another account."""
    return any(
        session.query(
            f"SELECT 1 FROM information_schema.{kind}S"
            f" WHERE {kind}_SCHEMA = {text(schema)} AND DEFINER <> {text(ours)} LIMIT 1"
        )
        for kind in ("TRIGGER", "EVENT")
    )


def _own_grants(session: ReadSession) -> list[str]:
    # Without FOR it includes what enabled roles give.
    return [str(row[0]) for row in session.query("SHOW GRANTS")]


def _on_schema(grants: Iterable[re.Match[str]], schema: str) -> set[str]:
    return _privileges(
        g for g in grants if g["object"] == "*" and g["schema"] != "*" and _covers(g["schema"], schema)
    )


def _privileges(grants: Iterable[re.Match[str]]) -> set[str]:
    return {privilege for grant in grants for privilege in _listed(grant["what"])}


def _listed(what: str) -> tuple[str, ...]:
    """Single privileges, each with its columns in one order: servers keep them in a hash."""
    return tuple(
        sorted(
            f"{privilege} ({', '.join(sorted(_COLUMN.findall(columns)))})" if columns else privilege
            for privilege, columns in _PART.findall(what)
        )
    )


def _covers(quoted: str, schema: str) -> bool:
    """Whether a schema name in a grant, with its wildcards, covers the schema."""
    return matches(unquote(quoted), schema)


def matches(wildcards: str, value: str) -> bool:
    """SQL's own wildcards: _ for one character, % for any, a backslash before either."""
    parts = re.findall(r"\\.|.", wildcards, re.DOTALL)
    expression = "".join({"_": ".", "%": ".*"}.get(part, re.escape(part[-1])) for part in parts)
    return re.fullmatch(expression, value, re.DOTALL) is not None


def names(session: ReadSession) -> frozenset[str]:
    rows = session.query("SELECT User, Host FROM mysql.user WHERE User <> ''")
    return frozenset(f"{_as_text(user)}@{_as_text(host)}" for user, host in rows)


def account(session: ReadSession, schema: str, label: str) -> Account | None:
    if label not in names(session):
        return None
    grants, left = [], []
    for (line,) in session.query(f"SHOW GRANTS FOR {account_sql(label)}"):
        match = _GRANT.match(line)
        if given := _roles_of(line):
            grants += given
        elif match and unquote(match["schema"]).replace("\\_", "_").replace("\\%", "%") == schema:
            on = (match["kind"] or "") + match["object"]
            grants.append(Grant(_listed(match["what"]), on, match["option"] is not None))
        elif not match or match["what"] != "USAGE" or match["schema"] != "*":
            left.append(_without_hash(line))
    grants += _default_roles(session, label)
    return Account(
        label, _digest(_created_with(session, label)), tuple(sorted(grants, key=str)), tuple(sorted(left))
    )


def _roles_of(line: str) -> list[Grant]:
    if found := _ROLE.match(line):
        option = found["option"] is not None
        roles = re.findall(_WHO, found["roles"])
        return [Grant(("MEMBER",), f"ROLE {role}", option, _label(role)) for role in roles]
    if found := _DEFAULT_ROLE.match(line):
        return [Grant((_BY_DEFAULT,), f"ROLE {found['role']}, from the start", role=_label(found["role"]))]
    return []


def _default_roles(session: ReadSession, label: str) -> list[Grant]:
    """Of MySQL, where one statement sets all of them: as one grant."""
    found = None if session.is_mariadb else _MADE_WITH_ROLES.search(_creation(session, label))
    if found is None:
        return []
    first = re.findall(_WHO, found["roles"])[0]
    return [Grant((_BY_DEFAULT,), f"ROLE {found['roles']}, from the start", role=_label(first))]


def _label(quoted: str) -> str:
    """name@host of an account between backticks; a role of MariaDB has no host: name@."""
    user, host = re.findall(r"`(?:[^`]|``)*`", f"{quoted}@``" if "`@`" not in quoted else quoted)
    return f"{unquote(user)}@{unquote(host)}"


def authentication(session: ReadSession, label: str) -> Secret:
    """What follows the name in CREATE USER; it holds the password hash."""
    return Secret(_created_with(session, label))


def _created_with(session: ReadSession, label: str) -> str:
    return _MADE_WITH_ROLES.sub("", _creation(session, label))


def _creation(session: ReadSession, label: str) -> str:
    if label.endswith("@"):
        return ""  # a role proves nothing
    line = str(session.one(f"SHOW CREATE USER {account_sql(label)}")[0])
    head = re.match(rf"\ACREATE USER {_ACCOUNT}@{_ACCOUNT}", line)
    if head is None:
        raise Unreadable(f"{session.address}: account {label}: its CREATE USER has an unknown form")
    return line[head.end() :].strip()


_ACCOUNT = r"(?:`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*')"


def _digest(authentication_text: str) -> str:
    return hashlib.sha256(authentication_text.encode()).hexdigest()[:16]


def _without_hash(line: str) -> str:
    return re.sub(r" IDENTIFIED .*", "", line)


def _as_text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def grant_target(schema: str, on: str) -> str:
    """What stands after ON in a GRANT: "*" or one thing within the schema."""
    if on == "*":
        return f"{pattern(schema)}.*"
    kind, thing = re.fullmatch(r"(?s)((?:PROCEDURE|FUNCTION|PACKAGE BODY|PACKAGE) |)(.*)", on).groups()  # type: ignore[union-attr]
    return f"{kind}{name(schema)}.{thing}"


def granting(schema: str, label: str, grant: Grant) -> str:
    """The statement that gives a right or a role."""
    if grant.role:
        role = account_sql(grant.role)
        if _BY_DEFAULT in grant.privileges:
            roles, word = _said_by_default(grant)
            return f"SET DEFAULT ROLE {roles} {word} {account_sql(label)}"
        return f"GRANT {role} TO {account_sql(label)}{' WITH ADMIN OPTION' if grant.grantable else ''}"
    option = " WITH GRANT OPTION" if grant.grantable else ""
    what, target = ", ".join(grant.privileges), grant_target(schema, grant.on)
    return f"GRANT {what} ON {target} TO {account_sql(label)}{option}"


def _said_by_default(grant: Grant) -> tuple[str, str]:
    """The roles, and the word before the account: a role of MySQL has a host, one of MariaDB has none."""
    if grant.role.endswith("@"):
        return account_sql(grant.role), "FOR"
    return grant.on.removeprefix("ROLE ").removesuffix(", from the start"), "TO"


def revoking(schema: str, label: str, grant: Grant) -> str:
    """The statement that takes it back."""
    if grant.role:
        role = account_sql(grant.role)
        if _BY_DEFAULT in grant.privileges:
            return f"SET DEFAULT ROLE NONE {_said_by_default(grant)[1]} {account_sql(label)}"
        return f"REVOKE {role} FROM {account_sql(label)}"
    what = ", ".join((*grant.privileges, *(["GRANT OPTION"] if grant.grantable else [])))
    return f"REVOKE {what} ON {grant_target(schema, grant.on)} FROM {account_sql(label)}"
