"""The one place where the course imports torchvision, so that it also works beside a torch that it was not built for.

torchvision brings compiled operators. Where they cannot be loaded, as those of a build for CUDA beside a torch for the
CPU, `import torchvision` ends with

    RuntimeError: operator torchvision::nms does not exist

since it describes two of these operators to torch (what shapes `nms` and `qnms` return) without looking whether they are
there (https://github.com/pytorch/vision/issues/9085). Declared beforehand, they are there in name: torchvision can be
imported, and all that is written in Python works, which is datasets, transforms and utils. To call `nms` is still an
error. The better cure is a build that fits, https://pytorch.org/get-started/locally/.
"""

import importlib
import sys
from types import ModuleType

import torch

_DECLARED: list[torch.library.Library] = []
"""torch forgets a declaration when its Library is collected."""


def import_torchvision() -> ModuleType:
    """Import torchvision, declaring the operators that it lacks if it fails for them alone.

    Raises:
        ImportError: torchvision is not installed, or fails for another reason, which is its cause.
    """
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise
        raise ImportError(
            "torchvision is not installed: pip install 'torchvision>=0.21', of the build of your torch"
        ) from None
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise ImportError(f"torchvision and torch {torch.__version__} do not fit together: {error}") from error
    # Only now: to declare operators that torchvision can load would break a torchvision that works
    _declare("nms", "qnms")
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    return importlib.import_module("torchvision")


def _declare(*names: str) -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in names:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(library)
