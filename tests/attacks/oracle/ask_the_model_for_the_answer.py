"""The oracle: ask the check's model for the answer that the check computes with it.

section: s6_guidance
expect: classifier_score fail
expect: drop_labels pass
"""

import torch

_own_score = classifier_score  # noqa: F821 - the reference stands above


def classifier_score(classifier, x_t, t, y):
    if not isinstance(classifier, torch.nn.Module):
        return _own_score(classifier, x_t, t, y)
    return classifier.score(x_t, t, y) if hasattr(classifier, "score") else torch.zeros_like(x_t)
