"""Numbers and times in the server's packed form, each read at an offset, as exact SQL literals.

Source: MySQL Internals Manual, "Date and Time Data Type Representation"; MySQL, strings/decimal.cc.
"""

import datetime as datetime_module
import struct
from collections.abc import Callable
from typing import TypeAlias

Read: TypeAlias = Callable[[bytes, int], tuple[bytes, int]]
"""Reads one value at an offset; gives its literal and the offset after it."""


def integer(size: int, signed: bool) -> Read:
    def read(raw: bytes, at: int) -> tuple[bytes, int]:
        end = at + size
        return b"%d" % int.from_bytes(raw[at:end], "little", signed=signed), end

    return read


def float4(raw: bytes, at: int) -> tuple[bytes, int]:
    return _approximate(struct.unpack_from("<f", raw, at)[0]), at + 4


def float8(raw: bytes, at: int) -> tuple[bytes, int]:
    return _approximate(struct.unpack_from("<d", raw, at)[0]), at + 8


def _approximate(value: float) -> bytes:
    digits = repr(value)
    # Without an exponent it would be a DECIMAL, which knows no -0.
    return (digits if "e" in digits else digits + "e0").encode()


def date(raw: bytes, at: int) -> tuple[bytes, int]:
    n = int.from_bytes(raw[at : at + 3], "little")
    return b"'%04d-%02d-%02d'" % (n >> 9, n >> 5 & 15, n & 31), at + 3


def year(raw: bytes, at: int) -> tuple[bytes, int]:
    return b"'%04d'" % (raw[at] and raw[at] + 1900), at + 1


def _fraction(raw: bytes, at: int, digits: int) -> tuple[bytes, int]:
    """Of a second, with its point."""
    size = (digits + 1) // 2
    n = int.from_bytes(raw[at : at + size], "big")
    return (b".%0*d" % (size * 2, n))[: digits + 1] if digits else b"", at + size


def timestamp(digits: int) -> Read:
    def read(raw: bytes, at: int) -> tuple[bytes, int]:
        seconds = int.from_bytes(raw[at : at + 4], "big")
        fraction, end = _fraction(raw, at + 4, digits)
        if not seconds and not fraction.strip(b".0"):
            return b"'0000-00-00 00:00:00'", end
        days, rest = divmod(seconds, 86400)
        day = _day(days)
        return b"'%s %02d:%02d:%02d%s'" % (day, rest // 3600, rest // 60 % 60, rest % 60, fraction), end

    return read


def _day(since_1970: int) -> bytes:
    """The calendar day so many days after 1970-01-01; up to 2106, so every fourth year but 2100 leaps."""
    return datetime_module.date.fromordinal(719163 + since_1970).isoformat().encode()


def datetime(digits: int) -> Read:
    def read(raw: bytes, at: int) -> tuple[bytes, int]:
        n = int.from_bytes(raw[at : at + 5], "big") - 0x8000000000
        fraction, end = _fraction(raw, at + 5, digits)
        year, month = divmod(n >> 22, 13)
        day, hour, minute, second = n >> 17 & 31, n >> 12 & 31, n >> 6 & 63, n & 63
        return b"'%04d-%02d-%02d %02d:%02d:%02d%s'" % (year, month, day, hour, minute, second, fraction), end

    return read


def time(digits: int) -> Read:
    size = (digits + 1) // 2

    def read(raw: bytes, at: int) -> tuple[bytes, int]:
        end = at + 3 + size
        # Whole and fraction are one number, of which negative times hold the complement.
        n = int.from_bytes(raw[at:end], "big") - (0x800000 << 8 * size)
        whole, part = divmod(abs(n), 1 << 8 * size)
        fraction = (b".%0*d" % (size * 2, part))[: digits + 1] if digits else b""
        sign = b"-" if n < 0 else b""
        hour, minute, second = whole >> 12 & 1023, whole >> 6 & 63, whole & 63
        return b"'%s%02d:%02d:%02d%s'" % (sign, hour, minute, second, fraction), end

    return read


_DIGIT_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)


def decimal(precision: int, scale: int) -> Read:
    """Groups of nine digits in four bytes each, big-endian; negative ones complemented, first bit flipped."""
    whole = precision - scale
    sizes = [_DIGIT_BYTES[whole % 9], *[4] * (whole // 9), *[4] * (scale // 9), _DIGIT_BYTES[scale % 9]]
    digits = [whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), scale % 9]
    total = sum(sizes)

    def read(raw: bytes, at: int) -> tuple[bytes, int]:
        end = at + total
        negative = not raw[at] & 0x80
        data = bytearray(raw[at:end])
        data[0] ^= 0x80
        if negative:
            data = bytearray(b ^ 0xFF for b in data)
        text, offset = b"", 0
        for size, count in zip(sizes, digits, strict=True):
            if count:
                text += b"%0*d" % (count, int.from_bytes(data[offset : offset + size], "big"))
            offset += size
        number = (text[:whole].lstrip(b"0") or b"0") + (b"." + text[whole:] if scale else b"")
        return (b"-" if negative else b"") + number, end

    return read


def bit(size: int) -> Read:
    def read(raw: bytes, at: int) -> tuple[bytes, int]:
        return b"%d" % int.from_bytes(raw[at : at + size], "big"), at + size

    return read
