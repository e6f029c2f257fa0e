"""The same input gives the same bytes: Office packages repacked without clocks, and encryption at the end."""

import io
import re
import zipfile
from datetime import UTC, datetime

import msoffcrypto

from core.errors import Refused
from core.secret import Secret

SHORTEST_PASSWORD = 16
_EPOCH = (1980, 1, 1, 0, 0, 0)
_W3CDTF = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(</dcterms)")


def repack(content: bytes, as_of: datetime) -> bytes:
    """An Office file with fixed dates in its ZIP directory and its core properties."""
    stamp = as_of.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in sorted(old.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            part = old.read(name)
            if name == "docProps/core.xml":
                part = _W3CDTF.sub(rb"\g<1>" + stamp + rb"\g<2>", part)
            elif name.endswith(".xlsx"):
                part = repack(part, as_of)
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            new.writestr(entry, part, compresslevel=9)
    return out.getvalue()


def encrypt(content: bytes, password: Secret) -> bytes:
    """The same Office file behind a password (agile AES-256); salted, so never the same bytes twice.

    Raises: errors.Refused for a password that is short or not ASCII (Office programs differ on others).
    """
    text = password.reveal()
    if len(text) < SHORTEST_PASSWORD or not text.isascii():
        raise Refused(
            f"the password of the configuration index has fewer than {SHORTEST_PASSWORD} ASCII characters",
            why="The index describes the whole estate and travels by mail.",
        )
    out = io.BytesIO()
    msoffcrypto.OfficeFile(io.BytesIO(content)).encrypt(text, out)
    return out.getvalue()
