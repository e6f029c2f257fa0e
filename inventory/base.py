"""Types that all parts of the inventory share."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

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


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$")]
"""A short name used in step keys: small letters, digits, dot, dash, underscore."""

Mail = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
SecretRef = Annotated[str, AfterValidator(_secret_reference)]
"""Where a secret is, never the secret: env:NAME | file:PATH | prefect:BLOCK | aws:SECRET-ID."""
