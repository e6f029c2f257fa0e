"""Comparing worlds of the practice estate."""


def without_traces(world: dict[str, str]) -> dict[str, str]:
    """Where a way ended, without how it went there."""
    return {part: digest for part, digest in world.items() if not part.startswith("trace/")}
