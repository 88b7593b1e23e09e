"""The training loop that the end-to-end tests use: what interrupts it does not change what comes out."""

import os
from functools import partial
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Generator, Tensor, nn

from exercises.toolkit import training as loop
from exercises.toolkit.checkpoint import Checkpoint
from exercises.toolkit.training import training

STEPS, EVERY = 12, 4


class Trained:
    """A small regression with dropout, which draws from torch's global generator, and a slow copy."""

    def __init__(self, width: int = 8) -> None:
        torch.manual_seed(0)
        self.model, self.ema = (
            nn.Sequential(nn.Linear(3, width), nn.Dropout(0.5), nn.BatchNorm1d(width), nn.Linear(width, 1))
            for _ in range(2)
        )
        self.generator = Generator().manual_seed(1)

    def steps(self, checkpoint: Path | None = None, steps: int = STEPS):
        follow = {"ema": self.ema, "ema_update": follow_by_lerp}
        return training(
            self.model, self.loss, steps, generator=self.generator, checkpoint=checkpoint, every=EVERY, **follow
        )

    def loss(self, generator: Generator) -> Tensor:
        x = torch.randn(16, 3, generator=generator)
        return (self.model(x) - x.sum(dim=1, keepdim=True)).square().mean()

    def state(self) -> list[Tensor]:
        return [*self.model.state_dict().values(), *self.ema.state_dict().values(), self.generator.get_state()]


def follow_by_lerp(ema: nn.Module, model: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for slow, fast in zip(ema.parameters(), model.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)


def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path: Path) -> None:
    whole = Trained()
    losses = dict(whole.steps())

    before, seen = Trained(), {}
    for step, loss in before.steps(tmp_path / "run.pt"):
        seen[step] = loss
        if step == EVERY + 2:
            break
    after = Trained()
    torch.manual_seed(99)
    after.generator.manual_seed(5)
    resumed = dict(after.steps(tmp_path / "run.pt"))

    assert list(resumed) == list(range(EVERY + 1, STEPS + 1))
    assert seen | resumed == losses
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(after.state(), whole.state(), strict=True))


def test_a_finished_training_is_put_back_and_yields_no_step(tmp_path: Path) -> None:
    first, second = Trained(), Trained()
    list(first.steps(tmp_path / "run.pt"))
    assert list(second.steps(tmp_path / "run.pt")) == []
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(second.state(), first.state(), strict=True))


def test_the_same_seed_trains_the_same_and_it_learns() -> None:
    trained = Trained()
    losses = [loss for _, loss in trained.steps(steps=200)]
    assert losses == [loss for _, loss in Trained().steps(steps=200)]
    assert sum(losses[-20:]) < sum(losses[:20])
    pairs = zip(trained.ema.parameters(), trained.model.parameters(), strict=True)
    assert not any(torch.equal(slow, fast) for slow, fast in pairs)


def test_looking_in_eval_mode_between_two_steps_changes_nothing() -> None:
    looked, losses = Trained(), []
    for _, loss in looked.steps():
        looked.model.eval()
        losses.append(loss)
    assert losses == [loss for _, loss in Trained().steps()]


def test_a_write_that_fails_leaves_the_checkpoint_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained, path = Trained(), tmp_path / "run.pt"
    record = Checkpoint(path, {"model": trained.model}, trained.generator, STEPS)
    record.write(1)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        record.write(2)
    assert record.resume() == 1
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_a_checkpoint_that_does_not_fit_says_so(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    list(Trained().steps(path))
    with pytest.raises(ValueError, match=r"run\.pt is of a training of 12 steps, not 13: delete it"):
        next(Trained().steps(path, steps=13))
    with pytest.raises(ValueError, match=r"run\.pt is of the training of another model"):
        next(Trained(width=9).steps(path))
    torch.save(Trained().model.state_dict(), path)
    with pytest.raises(ValueError, match=r"run\.pt is no checkpoint of a training"):
        next(Trained().steps(path))


@pytest.mark.parametrize("damage", [lambda content: content[:500], lambda content: b"", lambda content: b"hello"])
def test_a_damaged_checkpoint_says_so(tmp_path: Path, damage) -> None:
    path = tmp_path / "run.pt"
    list(Trained().steps(path))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"run\.pt is damaged: delete it to start afresh"):
        next(Trained().steps(path))


def test_a_loss_that_is_not_finite_stops_the_training_before_the_model_is_spoilt() -> None:
    trained = Trained()
    trained.loss = lambda generator: sum(weight.sum() for weight in trained.model.parameters()) * float("nan")
    with pytest.raises(ValueError, match="the loss of step 1 is nan"):
        list(trained.steps())
    assert all(weight.isfinite().all() for weight in trained.model.parameters())


def test_an_ema_without_its_update_is_refused() -> None:
    trained = Trained()
    with pytest.raises(ValueError, match="ema and ema_update go together"):
        next(training(trained.model, trained.loss, 1, generator=trained.generator, ema=trained.ema))


def test_no_terminal_no_progress_bar(capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    list(Trained().steps())
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(loop, "Console", partial(Console, force_terminal=True))
    list(Trained().steps())
    assert "12/12" in capfd.readouterr().err
