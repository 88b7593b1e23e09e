"""Expressions of the reference in the field's words: √(1 - ᾱ) for (1 - a).sqrt(). What a learner is told is never code."""

import ast

LONGEST = 40
"""An expression with more characters is named for its kind."""
SYMBOLS = {
    "alpha_bar": "ᾱ", "alpha_bar_prev": "ᾱ of the level before", "alphas": "α", "a": "ᾱ", "a_t": "ᾱ_t", "a_prev": "ᾱ_prev",
    "a_next": "ᾱ of the next level", "a_to": "ᾱ of the next level", "beta": "β", "betas": "β", "eps": "ε", "noise": "the noise",
    "lam": "λ", "lam_s": "λ_s", "lam_t": "λ_t", "lam_mid": "λ_mid", "lam_prev": "λ_prev", "h": "h", "r": "r", "std": "σ",
    "sigma": "σ", "sigmas": "σ", "sigma_min": "σ_min", "sigma_max": "σ_max", "sigma_data": "σ_data", "gamma": "γ", "phi": "φ",
    "sigma_s": "σ_s", "sigma_t": "σ_t", "alpha_s": "α_s", "alpha_t": "α_t", "alpha": "α", "mean_coef": "the coefficient of the mean",
    "small": "β̃", "variance": "β̃", "of_x0": "the coefficient of x0", "of_x_t": "the coefficient of x_t",
    "coef_x0": "the coefficient of x0", "coef_x_t": "the coefficient of x_t", "frequencies": "the frequencies",
    "angles": "the angles", "half": "dim/2", "dt": "dt", "x_T": "x_T", "x_t": "x_t", "x0": "x0", "t": "t", "x": "x",
    "losses": "the losses", "loss": "the loss", "score": "the score", "probe": "the probe", "drift": "the drift",
    "diffusion": "the diffusion", "score_norm": "‖score‖", "noise_norm": "‖noise‖", "error": "the error", "target": "the target",
    "scale": "the scale", "shift": "the shift", "data": "the data", "mean": "the mean", "logvar": "log σ²", "v": "v",
    "prediction": "the prediction", "first": "the first slope", "second": "the second slope", "share": "(v + 1)/2",
    "ratio": "the ratio", "c_skip": "c_skip", "c_out": "c_out", "c_in": "c_in", "c_noise": "c_noise", "root": "√ᾱ",
    "total": "σ² + σ_data²", "guided": "the guided prediction", "conditional": "the conditional prediction", "y": "y",
    "eps_y": "ε with the label", "eps_null": "ε without a label", "levels": "the levels", "far": "x0 - mean",
    "log_small": "log β̃", "log_large": "log β", "apart": "the distance of the means", "ahead": "the Euler step",
    "middle": "the state half-way", "steps": "steps", "n": "n", "T": "T", "u": "u", "f": "f", "s": "s", "model": "the model",
    "recon": "the reconstruction", "latents": "the latents", "tokens": "the tokens", "guess": "the guess", "normal": "the noise",
    "x0_pred": "x0_pred", "x0_prev": "x0_prev", "x_hi": "x at σ_hi", "x_lo": "x at σ_lo", "velocities": "the velocities", "growth": "the growth", "log_ratio": "log(σ_max/σ_min)", "above": "σ - σ_min",
}  # fmt: skip
"""What names of arguments and of the reference's own are called."""
QUIET = {
    "to", "double", "float", "reshape", "view", "flatten", "detach", "clone", "new_full", "expand", "tolist", "unflatten",
}  # fmt: skip
"""Methods that leave the value as it is."""
PASSING = {"extract", "_shaped", "torch.as_tensor", "float", "list", "abs", "int"}
"""Functions that are named by their first argument."""
OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "·", ast.Div: "/", ast.Pow: "^", ast.Mod: "mod", ast.FloorDiv: "//", ast.MatMult: "@",
}  # fmt: skip
KINDS = {
    ast.Add: "the sum",
    ast.Sub: "the difference",
    ast.Mult: "the product",
    ast.Div: "the quotient",
    ast.Pow: "the power",
}


def words(node: ast.AST) -> str:
    """The expression in words or symbols, or its kind where that would be long."""
    text = _said(node)
    if len(text) <= LONGEST:
        return text
    if isinstance(node, ast.BinOp):
        return KINDS.get(type(node.op), "the expression")
    return "the result of a call" if isinstance(node, ast.Call) else "the expression"


def name_of(node: ast.AST) -> str:
    """The name or dotted name that is called, without self."""
    if isinstance(node, ast.Attribute):
        inner = name_of(node.value)
        return f"{inner}.{node.attr}" if inner and inner != "self" else node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _said(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name):
            return SYMBOLS.get(name, name.strip("_").replace("_", " "))
        case ast.Constant(value=value):
            return repr(value)
        case ast.Attribute(attr=name):
            return SYMBOLS.get(name, name.replace("_", " "))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"-{_closed(operand)}"
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=2)):
            return f"{_closed(left)}²"
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=0.5)):
            return f"√{_closed(left)}"
        case ast.BinOp(left=left, op=op, right=right):
            loose = isinstance(op, ast.Add)
            one, other = (_said(left), _said(right)) if loose else (_closed(left, op), _closed(right, op))
            if isinstance(op, ast.Sub):
                one, other = _said(left), _closed(right)
            return f"{one} {OPERATORS.get(type(op), '?')} {other}"
        case ast.Call(func=func, args=args):
            return _called(func, args)
        case ast.Subscript(value=value, slice=index):
            return f"{_closed(value)}{_index(index)}"
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return ", ".join(map(_said, parts))
        case ast.Compare() | ast.BoolOp():
            return "the condition"
        case ast.IfExp():
            return "the choice"
    return "the expression"


def _called(func: ast.AST, args: list[ast.expr]) -> str:
    name, last = name_of(func), name_of(func).split(".")[-1]
    if isinstance(func, ast.Attribute) and not name.startswith(("torch.", "math.", "F.", "nn.")):
        value = func.value
        if last in QUIET:
            return _said(value)
        if last == "sqrt":
            return f"√{_closed(value)}"
        if last == "square":
            return f"{_closed(value)}²"
        if last == "rsqrt":
            return f"1/√{_closed(value)}"
        if last in ("sum", "mean", "std", "norm"):
            return f"the {'norm' if last == 'norm' else last} of {_said(value)}"
        return f"{last}({_said(value)})"
    if name in PASSING and args:
        return _said(args[0])
    if last == "sqrt" and args:
        return f"√{_closed(args[0])}"
    if last in ("cat", "stack", "where"):
        return "the choice" if last == "where" else "the parts together"
    if last == "randn":
        return "the noise"
    said = ", ".join(_said(arg) for arg in args)
    return f"{last.strip('_').replace('_', ' ')}({said})"


def _closed(node: ast.AST, outer: ast.operator | None = None) -> str:
    """The expression, in parentheses where it is a sum or a product."""
    text = _said(node)
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Pow):
        inside_product = isinstance(outer, ast.Mult) and isinstance(node.op, ast.Mult | ast.Div)
        return text if inside_product else f"({text})"
    return f"({text})" if isinstance(node, ast.UnaryOp) else text


def _index(index: ast.AST) -> str:
    if isinstance(index, ast.Slice | ast.Tuple):
        return ""
    return f"[{_said(index)}]"
