"""Alembic's scripts for the ledger, applied when one is opened; a file of versions/ per format."""
