"""Secrets kept in Prefect: `prefect:BLOCK` names a Secret block."""

import asyncio
from pathlib import Path

from core.errors import Unreadable
from inventory.secrets import register


def from_block(name: str, folder: Path) -> str:
    """The value of a Prefect Secret block.

    Raises: errors.Unreadable where there is no such block or Prefect does not answer.
    """
    import httpx
    from prefect.blocks.system import Secret

    async def value() -> str:
        block = await Secret.aload(name)
        return str(block.get())  # type: ignore[attr-defined]  # its stub hides the block's own type

    try:
        return asyncio.run(value())
    except (ValueError, RuntimeError, httpx.HTTPError) as error:
        raise Unreadable(
            f"Prefect Secret block {name!r}: {type(error).__name__}",
            why="The inventory names it for a password.",
            next_command="prefect block ls",
            transient=isinstance(error, httpx.HTTPError),
        ) from error


register("prefect", from_block)
