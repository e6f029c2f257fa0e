"""Measurements against peers, each one command: `python -m bench NAME`. Never part of the tests."""
