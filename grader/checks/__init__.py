"""The checks of the course, collected and run on any implementation: a learner's, a reference with a mistake, a jailed one.

`collect` finds them, `run` carries one out, `under_test` is what it sees of the code, `state` is known before and put back
after it, `sentences` says what they say. May import `course` and `faults` of the grader, from the jail's side
what waits for torch's compiler, and the checks' own language in `exercises.checks`.
"""
