"""Everything that runs; docs/architecture.md is the map.

Each package may import those above it here, and none beside or below it. pyproject.toml holds it to that, with the same list the
other way up.

rpc              calls between judge and jail: bytes, values, modules, gradients
sandbox.guest    what runs in the jail
course, faults, files   what is said once of sections and exercises; what can go wrong around a check; files written in one go
intake, source   what learners hand in, read without running it; what is made from solutions/: stubs, notebooks, releases
site             the course as a site
sandbox.host     the judge's side of the jail
checks           the checks of a section, collected once, run against any code
findings         what a check found, in a few lines
diagnosis        the mistake behind a wrong answer
judging, desk    verdicts: one section, a cohort, the store of results; the learner's side: checks in the same process, commands
syllabus         what a course sets for itself: roster, points, deadlines, checks of its own
reports          results for people
exports          results for other programs
grade, nbgrader  the commands that judge, `unstatic grade` and `regrade`; the bridge that has our judge in the place of nbgrader's executor
cli              the command line, `unstatic`
ci               what a workflow runs
"""
