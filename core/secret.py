"""A value that never prints, and the scrubbing of texts that may hold one."""

_MASK = "***"
_seen: set[str] = set()


class Secret:
    """A password or key; only `reveal` gives it out, and `redact` knows it from then on."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if value:
            _seen.add(value)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({_MASK})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(Secret)

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled: pass its reference instead")


def redact(text: str) -> str:
    """Replace every secret value this process has resolved by a mask.

    A last line of defence for texts of foreign origin (driver errors, command output): our own code
    never formats a secret in the first place.
    """
    for value in sorted(_seen, key=len, reverse=True):
        # Very short values would blank out ordinary words; they are refused when resolved.
        if len(value) >= 4:
            text = text.replace(value, _MASK)
    return text
