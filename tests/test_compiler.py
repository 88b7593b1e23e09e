"""Where there is no compiler: what asks for one computes the same, and its import is paid by those alone who need it."""

import json
import subprocess
import sys

from grader.course import ROOT

NEEDY = {
    "an attribute": "torch._dynamo.config.suppress_errors = True",
    "a value set": "torch._dynamo.anything = 1\nassert torch._dynamo.anything == 1",
    "a part of it": "assert not torch._dynamo.compiled_autograd.compiled_autograd_enabled",
    "a module in it": "import torch._dynamo.config as one\nassert one is torch._dynamo.config is sys.modules['torch._dynamo.config']",
    "a name from it": "from torch._dynamo import config\nassert config is torch._dynamo.config",
    "a module that it does not import": "import torch._dynamo.testing\nassert torch._dynamo.testing.__spec__.origin",
    "a value set in a part": "part = torch._dynamo.compiled_autograd\npart.anything = 1\nassert torch._dynamo.compiled_autograd.anything == 1",
    "two threads at once": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as pool:\n"
        "    assert all(pool.map(lambda _: callable(torch._dynamo.reset), range(2)))"
    ),
    "torch itself": "torch.compiler.reset()",
}
PROGRAM = """
import json, os, sys, traceback
from grader.sandbox.guest import compiler
compiler.go_without()
import torch
torch.set_num_threads(1)
layer, x = torch.nn.Linear(2, 2), torch.ones(3, 2)
disabled = torch.optim.Optimizer.add_param_group, torch.optim.Optimizer.load_state_dict
optimizers = torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop

def asleep():
    return isinstance(sys.modules["torch._dynamo"], compiler.Dormant)

def train(kind):
    optimizer = kind(layer.parameters(), lr=0.1)
    layer(x).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    optimizer.load_state_dict(optimizer.state_dict())
    torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10).step()

for kind in optimizers:
    train(kind)
functions = torch.func.grad, torch.func.jacrev, torch.func.jacfwd, torch.func.hessian
assert all(function(lambda a: a.sin().sum())(x).isfinite().all() for function in functions)
torch.func.vmap(torch.func.grad(torch.sin))(torch.ones(3))
torch.func.jvp(torch.sin, (x,), (x,))
torch.func.vjp(torch.sin, x)[1](x)
torch.optim.swa_utils.AveragedModel(layer).update_parameters(layer)
assert torch.equal(torch.compile(layer, mode="max-autotune")(x), layer(x))
assert torch.compile(dynamic=True)(torch.sin) is torch.sin
layer.compile()
assert torch._dynamo.disable(torch.sin) is torch._dynamo.disable(recursive=False)(torch.sin) is torch.sin
torch._dynamo.graph_break()
torch.compiler.disable(torch.sin)
assert not any(hasattr(module, "__warningregistry__") for module in (torch._dynamo, torch._dynamo.compiled_autograd))
assert asleep(), "an optimizer or a transform needed more"

failed = {}
for what, program in json.loads(sys.argv[1]).items():
    if (pid := os.fork()) == 0:
        try:
            exec(program)
            assert not asleep()
            assert torch._dynamo is sys.modules["torch._dynamo"]
            assert not any("__dynamo_disable" in vars(method.__wrapped__) for method in disabled)
            for kind in optimizers:
                train(kind)
            torch.func.grad(lambda a: a.sin().sum())(x)
            assert all(vars(method.__wrapped__)["__dynamo_disable"] is not method.__wrapped__ for method in disabled)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    failed[what] = os.waitpid(pid, 0)[1]
print([what for what, status in failed.items() if status])
"""


def test_optimizers_and_transforms_do_without_it_and_whoever_needs_more_gets_the_module_itself():
    """6 s, most of them for those that need it."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, json.dumps(NEEDY)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, "[]\n"), said.stderr


TRAINS = """
import sys, torch
from grader.checks.state import tidy
with tidy():
    torch.optim.Adam([torch.zeros(2, requires_grad=True)]).step()
print(type(sys.modules["torch._dynamo"]).__name__)
"""


def test_a_check_of_a_training_loop_does_without_it_at_the_desk_too():
    assert subprocess.check_output([sys.executable, "-c", TRAINS], cwd=ROOT, text=True) == "Dormant\n"
