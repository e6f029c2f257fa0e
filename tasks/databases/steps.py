"""The database steps, engine-neutral: each in a module of its own, gathered here in their order."""

from tasks.databases.accounts import CopyAccounts
from tasks.databases.compare import CompareDatabase
from tasks.databases.compare_followed import CompareFollowed
from tasks.databases.data import CopyData
from tasks.databases.dirty import CompareDirty
from tasks.databases.discover import ReadDatabase
from tasks.databases.drain import DrainChanges
from tasks.databases.events import MoveEvents
from tasks.databases.follow import FollowSource
from tasks.databases.freeze import FreezeSource
from tasks.databases.move import Move
from tasks.databases.objects import CreateObjects
from tasks.databases.readiness import GetReady
from tasks.databases.refresh import RefreshData
from tasks.databases.replication import EndReplication, Replicate
from tasks.databases.reverse import PrepareReturn, ReverseStream
from tasks.databases.schema import CreateSchema

__all__ = [
    "CompareDatabase",
    "CompareDirty",
    "CompareFollowed",
    "CopyAccounts",
    "CopyData",
    "CreateObjects",
    "CreateSchema",
    "DrainChanges",
    "EndReplication",
    "FollowSource",
    "FreezeSource",
    "GetReady",
    "Move",
    "MoveEvents",
    "PrepareReturn",
    "ReadDatabase",
    "RefreshData",
    "Replicate",
    "ReverseStream",
]
