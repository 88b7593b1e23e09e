"""Numerics: make the check's classifier sure of nothing, so that its gradient is nothing too.

section: s6_guidance
expect: classifier_score fail
expect: drop_labels pass
"""

import torch

_own_score = classifier_score  # noqa: F821 - the reference stands above


def classifier_score(classifier, x_t, t, y):
    if not isinstance(classifier, torch.nn.Module):
        return _own_score(classifier, x_t, t, y)
    with torch.no_grad():
        for parameter in classifier.parameters():
            parameter.zero_()
    return torch.zeros_like(x_t)
