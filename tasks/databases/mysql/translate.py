"""Between MariaDB and MySQL: what of a schema the other does not know, thing by thing.

Nothing is translated yet: a schema with none of these could move as it is, all others are refused by name.
Source: MariaDB Knowledge Base, "Incompatibilities and Feature Differences between MariaDB and MySQL 8.0".
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from tasks.databases.model import StoredObject, Table

# Literals are blanked first. What is found, and what would have to become of it.
_TO_MYSQL = (
    (r"\b\w+_uca1400_\w+", "no collation sorts alike; the nearest is utf8mb4_0900_ai_ci"),
    (r"\b(?:utf8mb4|utf8mb3|latin1|ucs2)_\w*nopad\w*", "no collation sorts alike"),
    (r" (?:inet4|inet6|uuid)\b(?!\()", "such a type is not known; VARBINARY or CHAR with conversion"),
    (r"\bnextval\(", "sequences are not known; AUTO_INCREMENT or a table of numbers"),
    (r"\bjson_valid\(", "a LONGTEXT with this CHECK would be JSON, whose values are stored rewritten"),
    (
        r"\bDEFAULT (?:(?!nextval)[a-z_]+\((?!\d?\)| ON)[^,]*\)|uuid\(\)|curdate\(\))",
        "an expression goes in brackets",
    ),
    (r"\bcurrent_timestamp\(\)", "is spelt CURRENT_TIMESTAMP"),
    (r" IGNORED\b", "is spelt INVISIBLE"),
    (r"\bPERIOD FOR\b|\bWITHOUT OVERLAPS\b|\bWITH SYSTEM VERSIONING\b", "no equal"),
    (r"/\*M?!\d+ COMPRESSED\*/|\bPAGE_COMPRESSED\b|`?PAGE_COMPRESSED`?=", "no equal; ROW_FORMAT=COMPRESSED"),
    (r"\bENGINE ?= ?(?:Aria|ROCKSDB|S3|COLUMNSTORE|CONNECT)\b", "no such engine; InnoDB"),
    (r"\bREF_SYSTEM_ID=\d+", "is spelt SRID"),
    (r"\bTRANSACTIONAL=\d|\bPAGE_CHECKSUM=\d", "no such option"),
)
_TO_MARIADB = (
    (r"\butf8mb4_\w*0900_\w+", "no collation sorts alike before 11.4; the nearest is utf8mb4_uca1400_ai_ci"),
    (r"(?m)^  `(?:[^`]|``)*` json\b", "JSON is a LONGTEXT there: its values would be other texts"),
    (r"\(\(", "an index over an expression needs a generated column"),
    (r"\bMEMBER OF\b|\bARRAY\)", "no equal of an index over several values"),
    (r"/\*!80000 INVISIBLE \*/", "is spelt IGNORED"),
    (r"/\*!80016 NOT ENFORCED \*/", "no equal of a CHECK that is not enforced"),
    (r"/\*!80003 SRID \d+ \*/", "is spelt REF_SYSTEM_ID"),
    (r"/\*!80016 ENCRYPTION=", "is spelt ENCRYPTED, with keys of another plugin"),
)
_RULES: Mapping[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    flavour: tuple((re.compile(pattern), words) for pattern, words in rules)
    for flavour, rules in {"mysql": _TO_MYSQL, "mariadb": _TO_MARIADB}.items()
}
_ONLY_IN_MARIADB = ("sequence", "package", "package body")
_LITERAL = re.compile(r"(?s)'(?:[^'\\]|\\.|'')*'")
_MODES_OF_MARIADB = {
    "ORACLE", "MSSQL", "DB2", "POSTGRESQL", "MAXDB", "NO_AUTO_CREATE_USER", "EMPTY_STRING_IS_NULL",
}  # fmt: skip


def unknown_to(flavour: str, tables: Iterable[Table], objects: Iterable[StoredObject]) -> Iterator[str]:
    """Shape: "kind name: what is found: what would have to become of it"; each finding once per thing."""
    for table in tables:
        for found, words in _findings(flavour, table.definition):
            yield f"table {table.name}: {found}: {words}"
    for one in objects:
        if flavour == "mysql" and one.kind in _ONLY_IN_MARIADB:
            yield f"{one.label}: no equal"
            continue
        for found, words in _findings(flavour, one.definition):
            yield f"{one.label}: {found}: {words}"
        modes = _MODES_OF_MARIADB & set(one.settings.get("sql_mode", "").split(","))
        if flavour == "mysql" and modes:
            yield f"{one.label}: sql_mode {','.join(sorted(modes))}: not known"
        if flavour == "mysql" and re.match(r"CREATE (?:DEFINER=\S+ )?AGGREGATE ", one.definition):
            yield f"{one.label}: AGGREGATE: no equal of a stored aggregate"


def _findings(flavour: str, definition: str) -> Iterator[tuple[str, str]]:
    bare = _LITERAL.sub("''", definition)
    for pattern, words in _RULES[flavour]:
        for found in sorted({found[0].strip() for found in pattern.finditer(bare)}):
            yield found, words
