"""The graded checks, and the language they are written in. Importing this package sets how Hypothesis draws."""

import hypothesis

hypothesis.settings.register_profile(
    "unstatic",
    max_examples=20,
    deadline=None,  # never judge by wall time
    database=None,  # a run leaves nothing behind for the next
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],  # inputs are small as drawn: nothing to shrink
    report_multiple_bugs=False,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile("unstatic")
