"""aws:SECRET-ID references: secrets kept in AWS Secrets Manager."""

import json
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from core.errors import Unreadable
from inventory.secrets import register

_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4})


def resolve(reference: str, folder: Path) -> str:
    """The value behind `SECRET-ID` or, for a JSON secret, behind `SECRET-ID#KEY`.

    Read with this machine's own AWS identity (environment, profile or instance role), never with the keys
    of the inventory: those are references themselves. An ARN names its region; else the machine's counts.

    Raises: errors.Unreadable
    """
    id_, _, key = reference.partition("#")
    region = id_.split(":")[3] if id_.startswith("arn:") and id_.count(":") >= 6 else None
    try:
        client = boto3.Session(region_name=region).client("secretsmanager", config=_CONFIG)
        answer = client.get_secret_value(SecretId=id_)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise _unreadable(id_, code, transient="Throttl" in code or code.startswith("Internal")) from error
    except BotoCoreError as error:
        raise _unreadable(id_, str(error), transient=False) from error
    text = answer.get("SecretString")
    if text is None:
        raise _unreadable(id_, "it holds bytes, wanted text", transient=False)
    return _entry(id_, text, key) if key else text


def _entry(id_: str, text: str, key: str) -> str:
    try:
        value = json.loads(text)[key]
    except (ValueError, KeyError, TypeError):
        # `from None`: the decoding error carries the text.
        raise _unreadable(id_, f"it is no JSON object with the key {key}", transient=False) from None
    return str(value)


def _unreadable(id_: str, reason: str, *, transient: bool) -> Unreadable:
    return Unreadable(
        f"secret aws:{id_}: {reason}",
        why="It is read with this machine's AWS identity, which needs secretsmanager:GetSecretValue on it.",
        next_command=f"aws secretsmanager describe-secret --secret-id {id_}",
        transient=transient,
    )


register("aws", resolve)
