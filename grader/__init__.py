"""Everything that runs; docs/architecture.md is the map. Each room may import what stands above it here.

course, faults   what is said once of sections and exercises; what can go wrong around a check
rpc/             calls between judge and jail: bytes, values, modules, gradients
sandbox/         the jail: `guest` runs in it, `host` is the judge's side
checks/          the checks of a section, collected once, run against any code
findings         what a check found, in a few lines
diagnosis/       the known mistake behind a wrong answer
source/          what is made from solutions/: stubs
intake/          what learners hand in, read without running it
desk/            the learner's side: checks in the same process, pytest's hooks, commands
judging/         verdicts: one section, a cohort, the store of results
syllabus/        what a course sets for itself: roster, points, deadlines, checks of its own
reports/         results for people
cli              the command line, `unstatic`
"""
