"""Declared tests: pages, ports, queries."""
