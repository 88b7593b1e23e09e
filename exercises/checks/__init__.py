"""The graded checks, and the language they are written in. Importing this package sets how Hypothesis draws."""

import hypothesis

try:
    from hypothesis.internal.conjecture import providers
except ImportError:  # an older Hypothesis, which knows no constants
    pass
else:
    # Hypothesis mixes constants of the modules that are loaded into what it draws. The same seed is to draw the same
    # inputs at the desk, in the judge and in the diagnosis, which have different modules loaded.
    if hasattr(providers, "Constants"):
        providers._get_local_constants = providers.Constants

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
