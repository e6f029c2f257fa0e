"""Types that all parts of the inventory share."""

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StringConstraints

SECRET_SCHEMES = ("env", "file", "prefect", "aws")


class Noun(BaseModel):
    """A part of the inventory: immutable, and unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _secret_reference(text: str) -> str:
    scheme, _, rest = text.partition(":")
    if scheme not in SECRET_SCHEMES or not rest:
        raise ValueError(
            "an inline secret or an unknown reference: write env:NAME, file:PATH (mode 0600), "
            "prefect:BLOCK or aws:SECRET-ID"
        )
    return text


def _not_a_number(value: Any) -> Any:
    # Read as a timestamp, 20261116 would quietly become a day in 1970.
    if isinstance(value, (int, float)) or (isinstance(value, str) and value.strip().lstrip("+-").isdecimal()):
        raise ValueError("write it as in ISO 8601: 2026-12-05, 2026-12-05T22:00:00+08:00")
    return value


PATTERN_WORDS: dict[str, str] = {}
"""What a pattern asks for, in words for the faults of an inventory."""


def _like(pattern: str, words: str) -> StringConstraints:
    PATTERN_WORDS[pattern] = words
    return StringConstraints(pattern=pattern)


def _in_our_times(value: date) -> date:
    # The ends of the calendar cannot be carried into another time zone.
    if not 2000 <= value.year <= 2100:
        raise ValueError("the year is not from 2000 to 2100")
    return value


Day = Annotated[date, BeforeValidator(_not_a_number), AfterValidator(_in_our_times)]
Moment = Annotated[AwareDatetime, BeforeValidator(_not_a_number), AfterValidator(_in_our_times)]

Name = Annotated[
    str,
    _like(
        r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$",
        "a name of at most 63 small letters, digits, dots, dashes, underscores (not at its ends)",
    ),
]
"""A short name used in step keys: small letters, digits, dot, dash, underscore."""

Words = Annotated[str, _like(r"\S", "a text with at least one character")]
Mail = Annotated[str, _like(r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "a mail address")]
Address = Annotated[
    str, _like(r"^[A-Za-z0-9:][A-Za-z0-9._:-]*$", "an IP address or a host name (no user, port or brackets)")
]
AbsolutePath = Annotated[str, _like(r"^/", "an absolute path (it starts with /)")]
Package = Annotated[
    str,
    _like(r"^[a-z0-9][a-z0-9+.-]*(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?$", "a package name, perhaps =version"),
]
SystemAccount = Annotated[
    str, _like(r"^[a-z_][a-z0-9_-]{0,30}[$]?$", "a name of an operating-system account or group")
]
Url = Annotated[str, _like(r"^https?://[^\s/]+(/\S*)?$", "a URL that starts with http:// or https://")]
SiteName = Annotated[str, _like(r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$", "the name of a file, without its folder")]
DmsClass = Annotated[
    str,
    _like(r"^dms\.[a-z0-9]+\.[a-z0-9]+$", "a class of replication instances such as dms.t3.medium"),
]
RoleArn = Annotated[
    str, _like(r"^(arn:[a-z-]+:iam::\d{12}:role/.+)?$", "the ARN of a role (arn:aws:iam::ACCOUNT:role/NAME)")
]
SqlAccount = Annotated[str, _like(r"^[^@\s]+@\S*$", "an account as name@host")]
RecordName = Annotated[
    str, _like(r"^(@|[*A-Za-z0-9_][A-Za-z0-9._-]*)$", "a name inside the zone, or @ for the zone itself")
]
CloudAccount = Annotated[str, _like(r"^[0-9]{12}$", "an account number of 12 digits")]
HostPort = Annotated[str, _like(r"^\S+:[0-9]{1,5}$", "host:port")]
SecretRef = Annotated[str, AfterValidator(_secret_reference)]
"""Where a secret is, never the secret: env:NAME | file:PATH | prefect:BLOCK | aws:SECRET-ID."""
