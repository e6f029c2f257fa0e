"""The first format: setup, head, entries, and the triggers that make them append-only."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Name, event, and what the refused person reads.
_SQLITE = (
    ("entries_no_update", "UPDATE ON entries", "the ledger is append-only, entries are never changed"),
    ("entries_no_delete", "DELETE ON entries", "the ledger is append-only, entries are never deleted"),
    ("setup_no_update", "UPDATE ON setup", "a ledger never changes its project"),
    ("setup_no_delete", "DELETE ON setup", "a ledger never loses its project"),
    ("head_forward_only", "UPDATE ON head WHEN NEW.seq <= OLD.seq", "the head only moves forward"),
    ("head_no_delete", "DELETE ON head", "the ledger never loses its head"),
    # INSERT OR REPLACE deletes without firing delete triggers.
    (
        "entries_no_replace",
        "INSERT ON entries WHEN NEW.seq <= (SELECT max(seq) FROM entries)",
        "the ledger is append-only, this place is taken",
    ),
    ("setup_no_replace", "INSERT ON setup WHEN EXISTS (SELECT 1 FROM setup)", "a ledger has one project"),
    ("head_no_replace", "INSERT ON head WHEN EXISTS (SELECT 1 FROM head)", "the ledger has one head"),
)
_POSTGRESQL = (
    ("entries_no_update", "UPDATE ON entries FOR EACH ROW"),
    ("entries_no_delete", "DELETE ON entries FOR EACH ROW"),
    ("entries_no_truncate", "TRUNCATE ON entries FOR EACH STATEMENT"),
    ("setup_no_update", "UPDATE ON setup FOR EACH ROW"),
    ("setup_no_delete", "DELETE ON setup FOR EACH ROW"),
    ("setup_no_truncate", "TRUNCATE ON setup FOR EACH STATEMENT"),
    ("head_forward_only", "UPDATE ON head FOR EACH ROW WHEN (NEW.seq <= OLD.seq)"),
    ("head_no_delete", "DELETE ON head FOR EACH ROW"),
    ("head_no_truncate", "TRUNCATE ON head FOR EACH STATEMENT"),
)


def upgrade() -> None:
    op.create_table(
        "setup",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
        sa.Column("project", sa.String(200), nullable=False),
        sa.Column("format", sa.Integer, nullable=False),
        sa.Column("created_at_utc", sa.String(27), nullable=False),
    )
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("at_utc", sa.String(27), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("entries_by_kind", "entries", ["kind", "subject", "seq"])
    op.create_index("entries_by_step", "entries", ["step", "seq"])
    op.create_index("entries_by_run", "entries", ["run_id", "seq"])
    if op.get_bind().dialect.name == "sqlite":
        for name, event, message in _SQLITE:
            op.execute(f"CREATE TRIGGER {name} BEFORE {event} BEGIN SELECT RAISE(ABORT, '{message}'); END")
    else:
        op.execute(
            "CREATE FUNCTION qianyun_ledger_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'the ledger is append-only, % on % refused', TG_OP, TG_TABLE_NAME; END $$"
        )
        for name, event in _POSTGRESQL:
            op.execute(f"CREATE TRIGGER {name} BEFORE {event} EXECUTE FUNCTION qianyun_ledger_guard()")


def downgrade() -> None:
    raise NotImplementedError("a ledger never goes back to an older format: restore the copy made before")
