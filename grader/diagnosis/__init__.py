"""The name of a mistake: which known one gives the same wrong results to the same checks.

`listed` are the mistakes in solutions/misconceptions/, `evidence` is what a mistake leaves behind and whether two leave the
same, `diagnose` chooses. May import `checks`, `course` and `faults`.
"""
