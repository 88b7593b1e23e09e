"""What the checks of both samplers look at."""

from torch import Tensor

from exercises.checks import expect
from exercises.checks.cases import tracked
from exercises.checks.expect import left_alone
from exercises.checks.s3_score_sde.models import timed
from exercises.checks.s3_score_sde.rules import KEEP, PEOPLE
from exercises.checks.spies import Spy


def looked_at(model: Spy, x_T: Tensor) -> None:
    """What the model was called with is of the right shape and dtype."""
    for seen in model.seen:
        expect.tensor(seen.x_t, "the model sees x, in x_T's shape and dtype", shape=x_T.shape, dtype=x_T.dtype)
        expect.tensor(seen.t, PEOPLE, shape=x_T.shape[:1], dtype=x_T.dtype)


def left_as_it_was(sampler, x_T: Tensor) -> None:
    """A sampler records no gradient and changes neither its arguments nor the model."""
    for training, start in ((True, x_T.clone()), (False, x_T.clone()), (True, *tracked(x_T))):
        model = timed().train(training)
        result = sampler(model, start)
        expect.tensor(result, KEEP, shape=x_T.shape, dtype=x_T.dtype)
        why = "a sampler records no gradient"
        expect.holds(not result.requires_grad, why, got="a result with a gradient", want="a result without")
        recorded = any(seen.tracked for seen in model.seen) and not start.requires_grad
        why = "a sampler records no gradient on its way, or its memory grows with the steps"
        expect.holds(not recorded, why, got="an x that carries a gradient", want="x without")
        expect.unchanged(KEEP, x_T=(x_T, start.detach()))
        left_alone(model)
