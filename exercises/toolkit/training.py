"""The training loop, given: it draws nothing and knows no diffusion, the loss does.

    for step, loss in training(model, loss_of, 2000, generator=generator, checkpoint=path):
        ...

The loop is a generator, so that whoever runs it can look, plot or stop between two steps.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Generator, Tensor, nn

from exercises.toolkit.checkpoint import Checkpoint


def training(
    model: nn.Module,
    loss_of: Callable[[Generator], Tensor],
    steps: int,
    *,
    generator: Generator,
    lr: float = 1e-3,
    ema: nn.Module | None = None,
    ema_update: Callable[[nn.Module, nn.Module, float], None] | None = None,
    ema_decay: float = 0.999,
    checkpoint: Path | None = None,
    every: int = 500,
) -> Iterator[tuple[int, float]]:
    """Train the model in place; yields the number of the step, from 1 to `steps`, and its loss, after each step.

    Adam with the gradient clipped to norm 1; the learning rate falls from `lr` to 0 along a quarter of a cosine. On a
    terminal a bar shows the progress; otherwise nothing is printed.

    With a checkpoint, what decides the rest of the training is written to that file every so many steps and after the
    last one, and a training whose file is there goes on where the file was written. Interrupted and resumed, it yields
    the same losses and ends at the same parameters, bit for bit, as if it had never stopped; on a GPU, as far as its
    kernels give the same sums twice.

    Args:
        model: on any device.
        loss_of: draws a batch, noise and all, from the generator that it is given, and returns the loss to descend.
        steps: how many in all, those before an interruption included.
        generator: where the randomness comes from; its state is part of the checkpoint.
        lr: the learning rate at the start.
        ema: a copy of the model that follows it.
        ema_update: `ema_update(ema, model, decay)`, called after each step where there is an ema.
        ema_decay: how slowly the copy follows; at first it follows faster: decay is at most (step + 1) / (step + 10).
        checkpoint: the file, or None for no checkpoints.
        every: steps from one checkpoint to the next.

    Raises:
        ValueError: the loss is not finite, or the checkpoint is damaged or of another training.
    """
    if (ema is None) != (ema_update is None):
        raise ValueError("ema and ema_update go together: give both or neither")
    optimizer = torch.optim.Adam(
        model.parameters(), lr, fused=True
    )  # all parameters in one go: a tenth of a small step
    kept = {"model": model, "optimizer": optimizer} | ({} if ema is None else {"ema": ema})
    record = Checkpoint(checkpoint, kept, generator, steps) if checkpoint else None
    done = record.resume() if record else 0

    with _progress(done, steps) as show:
        for step in range(done + 1, steps + 1):
            optimizer.param_groups[0]["lr"] = lr * math.cos(math.pi / 2 * (step - 1) / steps)
            model.train()  # whoever looks between two steps may have switched to eval
            loss = _descend(model, loss_of(generator), optimizer, step)
            if ema is not None:
                ema_update(ema, model, min(ema_decay, (step + 1) / (step + 10)))
            if record and (step % every == 0 or step == steps):
                record.write(step)
            show(loss)
            yield step, loss


def _descend(model: nn.Module, loss: Tensor, optimizer: torch.optim.Optimizer, step: int) -> float:
    if not loss.isfinite():
        raise ValueError(f"the loss of step {step} is {loss.item()}: something divides by 0, or overflows")
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


@contextmanager
def _progress(done: int, steps: int) -> Iterator[Callable[[float], None]]:
    """A function to call with the loss of each step; it shows it, if there is a terminal to show it on."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda loss: None
        return
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]:.4f}"), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("training", total=steps, completed=done, loss=math.nan)
        yield lambda loss: bar.update(task, advance=1, loss=loss)
