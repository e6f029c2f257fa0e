"""The tables, as the current software sees them; how they came about is in ledger/migrations."""

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

REVISION = "0001"
"""The newest migration; a ledger that stands here is opened without loading Alembic."""

VERSION_TABLE = "qianyun_ledger_version"
"""Alembic's own table, not under its usual name: other programs may keep theirs in the same database."""

metadata = MetaData()

setup = Table(
    # One row, written when the ledger is made: whose ledger this is. Never changed.
    "setup",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("project", String(200), nullable=False),
    Column("format", Integer, nullable=False),
    Column("created_at_utc", String(27), nullable=False),
)

head = Table(
    # One row, moved forward in the transaction that appends: makes a cut-off tail visible.
    "head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

entries = Table(
    # Written by Store.append alone, never changed. Empty text where a record has no run, step or subject.
    "entries",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at_utc", String(27), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("run_id", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

TRIGGERS = (
    "entries_no_update",
    "entries_no_delete",
    "setup_no_update",
    "setup_no_delete",
    "head_forward_only",
    "head_no_delete",
)
"""What must stand in the database of either engine; `verify` looks for them."""
