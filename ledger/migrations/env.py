"""Alembic's entry point: runs the migrations on the connection, and in the transaction, it is handed."""

from alembic import context

from ledger.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=False,
)
context.run_migrations()
