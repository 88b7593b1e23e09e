"""Everything that runs.

Read it in this order:

    course      what is said once about sections and exercises (exercises/course.toml)
    checks      the checks of a section, collected once, run against any code
    faults      what can go wrong around a check, and the verdict that it means
    diagnosis   the known mistake behind a wrong answer
    source/     what is made from solutions/: stubs, modules that hold a known mistake
    desk/       the learner's side: checks in the same process, pytest's hooks, commands
    border/     what crosses between judge and jail: bytes, calls, modules, gradients
    inside/     what runs in the jail beside the border
    jail/       the judge's side of the jail, and what this machine can do
    judging/    verdicts: one section, a cohort, the store of results
    intake/     what learners hand in, read without running it
    reports/    results for people
    cli         the command line, `unstatic`
"""
