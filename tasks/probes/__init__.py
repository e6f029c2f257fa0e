"""Tests declared in the inventory: pages, ports and queries, on the source side and on the target side."""

from tasks.probes.sql import Schema, TestSql
from tasks.probes.tcp import Port, TestTcp
from tasks.probes.web import Page, TestHttp

__all__ = ["Page", "Port", "Schema", "TestHttp", "TestSql", "TestTcp"]
