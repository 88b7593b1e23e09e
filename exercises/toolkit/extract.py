"""The one indexing helper of the course: a value for each sample, shaped to multiply that sample."""

from jaxtyping import Float, Int
from torch import Tensor


def extract(values: Float[Tensor, "T"], t: Int[Tensor, "B"], like: Float[Tensor, "B *S"]) -> Float[Tensor, "B ..."]:
    """Gather `values[t]`, in `like`'s dtype and device, shaped (B, 1, ..., 1) to broadcast against `like`.

    Args:
        values: a table with one entry a level, such as alpha_bar.
        t: the level of each sample.
        like: the batch that the result will multiply.
    """
    picked = values.to(like.device)[t.to(like.device)]
    return picked.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))
