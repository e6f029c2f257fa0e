"""The database steps, engine-neutral: each in a module of its own, gathered here in their order."""

from tasks.databases.accounts import CopyAccounts
from tasks.databases.compare import CompareDatabase
from tasks.databases.data import CopyData
from tasks.databases.discover import ReadDatabase
from tasks.databases.freeze import FreezeSource
from tasks.databases.move import Move
from tasks.databases.objects import CreateObjects
from tasks.databases.refresh import RefreshData
from tasks.databases.schema import CreateSchema

__all__ = [
    "CompareDatabase",
    "CopyAccounts",
    "CopyData",
    "CreateObjects",
    "CreateSchema",
    "FreezeSource",
    "Move",
    "ReadDatabase",
    "RefreshData",
]
