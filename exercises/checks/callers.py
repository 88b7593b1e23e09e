"""What is the caller's, and a loss or a sampler has only borrowed: the model's mode, gradients that are there, the precision."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from exercises.checks import expect


def left_to_the_caller(loss: Callable[[], Any], model: nn.Module) -> None:
    """The loss leaves the model in the mode that it finds, and the gradients that are there as they are."""
    for training in (True, False):
        model.train(training)
        for number, parameter in enumerate(model.parameters(), 1):
            parameter.grad = torch.full_like(parameter, float(number))
        result = loss()
        why = "whoever trains says what is trained: a loss freezes nothing for good"
        frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
        expect.holds(not frozen, why, got="parameters that take no gradient any more", want="parameters as they were")
        why = "a loss leaves the model in the mode that it finds: whoever trains chose train() or eval()"
        mode = {True: "a model in train()", False: "a model in eval()"}
        expect.holds(model.training is training, why, got=mode[model.training], want=mode[training])
        for number, parameter in enumerate(model.parameters(), 1):
            why = "gradients that are there are the caller's: a loss neither clears them nor adds to them"
            kept = parameter.grad is not None and torch.equal(parameter.grad, torch.full_like(parameter, float(number)))
            expect.holds(kept, why, got=parameter.grad, want=f"a gradient of {number}, as before")
            parameter.grad = None
        if isinstance(result, Tensor):
            why = "whether gradients are recorded is the caller's choice, and no matter of train() or eval()"
            recorded = f"a loss that teaches {mode[training]}"
            expect.holds(result.requires_grad, why, got=f"no gradient for {mode[training]}", want=recorded)


class Gain(nn.Module):
    """A model with one parameter: its answer is so many times what it sees, whatever else it is told.

    Seen as a classifier, the first three numbers of that are logits; as an autoencoder, that is the mean of the latent.
    """

    def __init__(self, logits: bool = False) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
        self.logits = logits

    def forward(self, x: Tensor, *rest: Any, **named: Any) -> Tensor:
        answer = self.gain.to(x.dtype) * x
        return answer.flatten(1)[:, :3] if self.logits else answer

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self(x), torch.zeros_like(x)

    def decode(self, z: Tensor) -> Tensor:
        return self(z)


def plain_model(x: Tensor, *rest: Any, **named: Any) -> Tensor:
    """A model that is a function and no module: half of what it sees, in its own dtype."""
    return x / 2


def takes_any_model_in_half_precision(sampler: Callable[[Callable, Tensor], Any], x_T: Tensor) -> None:
    """A plain function will do for a model; and what comes in float16 comes back in float16."""
    start = x_T.half()
    try:
        got = sampler(plain_model, start)
    except AttributeError as error:
        why = "a model is anything that can be called; a plain function has no parameters and no modes to ask for"
        nothing = torch.full_like(x_T, float("nan"))
        raise expect.Mismatch(why, nothing, f"an error: {error}", "samples, from a plain function") from None
    why = "results keep x's dtype, float16 too: tables in float32 must be cast to it, or the product is promoted"
    expect.tensor(got, why, shape=start.shape, dtype=torch.float16)
    expect.finite(got, why)
