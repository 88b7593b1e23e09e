"""Noise: annotations of things that are nowhere defined, generics, overloads, an async helper and a match statement.

expect: forward_step pass
expect: compute_alpha_bar pass
"""

import asyncio
import typing

if typing.TYPE_CHECKING:
    from nowhere import Table

honest = compute_alpha_bar


async def helper(betas: "Table[float]") -> "NotDefined":
    await asyncio.sleep(0)
    return honest(betas)


def compute_alpha_bar(betas: "undefined.Type[int, ...]") -> "Table":
    match betas.ndim:
        case 1:
            return asyncio.run(helper(betas))
