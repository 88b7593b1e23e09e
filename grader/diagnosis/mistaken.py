"""What is taken for what: names, signs, bounds and shapes that people confuse, as tables for `edits` and `operations`."""

import ast

UNDER = {"no_grad": "gradients recorded", "enable_grad": "no gradient where recording is off"}
"""What it is called if a block is not under the one or the other."""
LEVELS = ("t", "t_prev", "t_next", "t_mid", "level", "following", "time", "to", "step", "start", "end")
"""Names of levels, of which -1 stands for clean data."""
METHODS = {
    "cos": ("sin",), "sin": ("cos",), "exp": ("expm1", "sigmoid"), "expm1": ("exp",), "log": ("log2", "log10", "log1p"), "log1p": ("log",),
    "sum": ("mean",), "mean": ("sum",), "std": ("var",), "sqrt": ("square", "reciprocal"), "square": ("abs", "sqrt"), "rsqrt": ("sqrt",),
    "sigmoid": ("tanh", "exp"), "norm": ("sum",), "log_softmax": ("softmax",), "flip": (), "abs": ("square",),
    "log_ndtr": ("ndtr",),
}  # fmt: skip
"""Methods and functions that are taken for each other."""
FUNCTIONS = {
    "randn": ("rand",), "rand": ("randn",), "cumprod": ("cumsum",), "cumsum": ("cumprod",), "zeros_like": ("ones_like",),
    "ones_like": ("zeros_like",), "round": ("int", "math.ceil"), "floor": ("ceil",), "max": ("min",), "min": ("max",),
    "minimum": ("maximum",), "maximum": ("minimum",), "new_zeros": ("new_ones",), "new_ones": ("new_zeros",), "zeros": ("ones",),
    "repeat": ("repeat_interleave",), "repeat_interleave": ("repeat",), "Adam": ("SGD", "AdamW"),
}  # fmt: skip
REDUCING = {
    "square": "the square",
    "sqrt": "the root",
    "rsqrt": "the reciprocal root",
    "log": "the logarithm",
    "exp": "exp",
}
RENAMED = {
    "mean": "a mean in place of a sum", "sum": "a sum in place of a mean", "sin": "a sine in place of a cosine",
    "cos": "a cosine in place of a sine", "rand": "uniform numbers in place of normal ones",
    "randn": "normal numbers in place of uniform ones", "cumsum": "a sum in place of a product", "cumprod": "a product in place of a sum",
    "log2": "a logarithm to base 2", "log10": "a logarithm to base 10", "SGD": "plain gradient descent in place of Adam",
    "var": "a variance in place of a standard deviation",
}  # fmt: skip
GUARDS = ("1e-12", "1e-10", "1e-8", "1e-7", "1e-6", "1e-5", "1e-4", "1e-3", "1e-20")
RESULTS = [
    (3, "a mean over all of the result", "X.mean()"),
    (3, "a sum over all of the result", "X.sum()"),
    (4, "a mean over the batch", "X.mean(0)"),
    (4, "a sum over the batch", "X.sum(0)"),
    (4, "a mean over each sample", "X.flatten(1).mean(1)"),
    (4, "a sum over each sample", "X.flatten(1).sum(1)"),
    (4, "the result clamped to [-1, 1]", "X.clamp(-1, 1)"),
    (4, "the result clamped to [0, 1]", "X.clamp(0, 1)"),
    (4, "the result clamped at 0", "X.clamp(min=0)"),
    (4, "the result held above 1e-12", "X.clamp(min=1e-12)"),
    (4, "the result held above 1e-8", "X.clamp(min=1e-8)"),
    (4, "the result held below 0.999", "X.clamp(max=0.999)"),
    (4, "the logarithm of the result", "X.log()"),
    (4, "the logarithm of the result, held above 1e-20", "X.clamp(min=1e-20).log()"),
    (4, "exp of the result", "X.exp()"),
    (3, "the root of the result", "X ** 0.5"),
    (3, "the result squared", "X ** 2"),
    (4, "the result upside down", "1 / X"),
    (5, "the result rounded", "X.round()"),
    (5, "the absolute value of the result", "X.abs()"),
    (5, "the result flattened", "X.flatten(1)"),
    (5, "an axis too many", "X[None]"),
    (5, "an axis too many", "X[..., None]"),
    (5, "axes of one taken away", "X.squeeze()"),
    (5, "the batch in the reverse order", "X.flip(0)"),
    (5, "the last axis in the reverse order", "X.flip(-1)"),
    (5, "bits in place of nats, or the reverse", "X / 0.6931471805599453"),
    (5, "bits in place of nats, or the reverse", "X * 0.6931471805599453"),
    (5, "the result transposed", "X.mT"),
]  # fmt: skip
"""What may be done to a result that is not meant to be."""

STEPS = [
    (2, "the first step left out", "list(X)[1:]"),
    (2, "the last step left out", "list(X)[:-1]"),
    (2, "the steps in the reverse order", "list(X)[::-1]"),
    (4, "one step only", "list(X)[:1]"),
    (4, "one step too many at the end", "[*list(X), list(X)[-1]]"),
]
"""What is taken for the steps of a loop."""

MEANS = [
    (2, "a sum over each sample, and a mean over the batch", "X.flatten(1).sum(1).mean()"),
    (2, "a mean over the batch, and a sum over each sample", "X.mean(0).sum()"),
    (2, "a mean for each sample", "X.flatten(1).mean(1)"),
    (2, "a mean over the batch alone", "X.mean(0)"),
    (2, "a mean over the last axis alone", "X.mean(-1)"),
    (2, "a sum divided by the batch", "X.sum() / len(X)"),
    (2, "a mean over each sample, and a sum over the batch", "X.flatten(1).mean(1).sum()"),
    (3, "a root of the mean", "X.mean().sqrt()"),
    (3, "the median in place of the mean", "X.median()"),
    (3, "the norm in place of the mean", "X.norm()"),
]  # fmt: skip
"""What is taken for a mean over all elements."""

ALTERED = [
    (2, "the sign of {} turned", "-X"),
    (3, "a root of {} too many", "(X) ** 0.5"),
    (3, "{} squared", "(X) ** 2"),
    (3, "{} doubled", "2 * X"),
    (3, "{} halved", "X / 2"),
    (4, "1/({}) in its place", "1 / (X)"),
    (4, "1 - {} in its place", "1 - (X)"),
    (4, "1 + {} in its place", "1 + (X)"),
    (5, "{} - 1 in its place", "(X) - 1"),
    (4, "0 in place of {}", "0 * (X)"),
    (4, "1 in place of {}", "0 * (X) + 1"),
    (5, "the logarithm of {} in its place", "(X).log()"),
    (5, "exp of {} in its place", "(X).exp()"),
    (5, "{} cut off from its gradient", "(X).detach()"),
    (5, "{} of the first sample for the whole batch", "(X)[:1]"),
    (6, "{} of the last sample for the whole batch", "(X)[-1:]"),
    (6, "the mean of {} in its place", "(X).mean()"),
    (6, "the sum of {} in its place", "(X).sum()"),
    (6, "the mean of {} over the batch in its place", "(X).mean(0)"),
    (6, "{} in float32", "(X).float()"),
    (7, "{} in float64", "(X).double()"),
    (5, "{} clamped to [-1, 1]", "(X).clamp(-1, 1)"),
    (5, "{} clamped to [0, 1]", "(X).clamp(0, 1)"),
    (5, "{} held above 0", "(X).clamp(min=0)"),
    (6, "the absolute value of {}", "(X).abs()"),
    (7, "{} in the reverse order", "(X).flip(0)"),
    (7, "4 times {}", "4 * X"),
    (6, "{} times 2π", "6.283185307179586 * X"),
    (6, "{} times π", "3.141592653589793 * X"),
    (7, "{} divided by 2π", "X / 6.283185307179586"),
    (7, "10 times {}", "10 * X"),
    (7, "a tenth of {}", "X / 10"),
    (7, "a quarter of {}", "X / 4"),
    (7, "fresh normal numbers in place of {}", "torch.randn_like(X)"),
]  # fmt: skip
UNBATCHED = {
    "the batch in the reverse order": "the result in the reverse order",
    "over the batch": "over the first axis",
    "divided by the batch": "divided by the first axis",
    "of the first sample for the whole batch": "of the first place for all",
    "of the last sample for the whole batch": "of the last place for all",
}
"""What is said where the first axis is no batch."""
NUMBERS = {
    " doubled": 2.0,
    " halved": 2.0,
    "4 times ": 4.0,
    "a quarter of ": 4.0,
    "10 times ": 10.0,
    "a tenth of ": 10.0,
}
"""What begins or ends with this hangs on a number."""
SHAPED = {
    "extract": [
        (2, "one value a sample, without axes for the sample's shape", "A0.to(A2)[A1]"),
        (2, "one value a sample, shaped for vectors only", "A0.to(A2)[A1][:, None]"),
        (2, "one value a sample, shaped for pictures only", "A0.to(A2)[A1].view(-1, 1, 1, 1)"),
        (2, "one value a sample, shaped for pictures without channels", "A0.to(A2)[A1].view(-1, 1, 1)"),
        (2, "the first sample's level for the whole batch", "A0.to(A2)[A1[0]]"),
        (3, "the last sample's level for the whole batch", "A0.to(A2)[A1[-1]]"),
        (2, "the level before is looked up, with 1 before the first", "torch.cat([torch.ones_like(A0[:1]), A0]).to(A2)[A1].reshape(-1, *[1] * (A2.ndim - 1))"),
        (3, "the level before is looked up, with 0 before the first", "torch.cat([torch.zeros_like(A0[:1]), A0]).to(A2)[A1].reshape(-1, *[1] * (A2.ndim - 1))"),
        (2, "the level before is looked up", "A0.to(A2)[A1 - 1].reshape(-1, *[1] * (A2.ndim - 1))"),
        (3, "the level before is looked up, at the first the first", "A0.to(A2)[(A1 - 1).clamp(min=0)].reshape(-1, *[1] * (A2.ndim - 1))"),
        (3, "the level after is looked up, at the last the last", "A0.to(A2)[(A1 + 1).clamp(max=len(A0) - 1)].reshape(-1, *[1] * (A2.ndim - 1))"),
        (3, "the level after is looked up", "A0.to(A2)[A1 + 1].reshape(-1, *[1] * (A2.ndim - 1))"),
        (4, "the last level's value at every level", "A0.to(A2)[A1 * 0 - 1].reshape(-1, *[1] * (A2.ndim - 1))"),
        (4, "the table backwards", "A0.flip(0).to(A2)[A1].reshape(-1, *[1] * (A2.ndim - 1))"),
        (4, "the table's dtype kept", "A0[A1].reshape(-1, *[1] * (A2.ndim - 1))"),
    ],
    "_shaped": [
        (2, "one value a sample, without axes for the sample's shape", "torch.as_tensor(A0).to(A1)"),
        (2, "one value a sample, shaped for vectors only", "torch.as_tensor(A0).to(A1).reshape(-1, 1)"),
        (2, "one value a sample, shaped for pictures only", "torch.as_tensor(A0).to(A1).reshape(-1, 1, 1, 1)"),
        (2, "one value a sample, shaped for pictures without channels", "torch.as_tensor(A0).to(A1).reshape(-1, 1, 1)"),
        (2, "the first sample's value for the whole batch", "torch.as_tensor(A0).to(A1).reshape(-1)[0]"),
        (3, "the last sample's value for the whole batch", "torch.as_tensor(A0).to(A1).reshape(-1)[-1]"),
        (3, "the mean over the batch of what each sample has", "torch.as_tensor(A0).to(A1).mean()"),
        (4, "the value's own dtype kept", "torch.as_tensor(A0).reshape(-1, *[1] * (A1.ndim - 1))"),
    ],
}  # fmt: skip
"""A value for each sample, as people shape it."""
SHAPES = {says for kinds in SHAPED.values() for _, says, _ in kinds}
"""What is said of them."""
KEYWORDS = {
    "generator": "the generator not used",
    "dtype": "the dtype left to the default",
    "dim": "no axis given, all are meant",
}
COMPARED = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE), ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
SIGNS = {
    ast.Lt: "<", ast.LtE: "≤", ast.Gt: ">", ast.GtE: "≥", ast.Eq: "=", ast.NotEq: "≠", ast.Is: "is", ast.IsNot: "is not", ast.In: "in",
    ast.NotIn: "not in",
}  # fmt: skip


APPROXIMATE = {
    "ndtr": "0.5 * (1 + torch.tanh(0.7978845608028654 * (X + 0.044715 * X**3)))",
    "log_ndtr": "torch.log(0.5 * (1 + torch.tanh(0.7978845608028654 * (X + 0.044715 * X**3))))",
}
"""Functions with an approximation that is widely copied."""
