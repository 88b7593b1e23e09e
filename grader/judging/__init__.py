"""From a submission to rows of verdicts. Whoever grades calls `cohort.grade`: all of a run, of which `schedule` has several units graded at once.

A unit is one section of one submission. It goes to a `process`, in which `judge` runs; there a `sitting` grades the section, with the
`oracle` in the place of what is wrong and used by others, and `notes` for what stands beside verdicts. `results` are the rows, `store` is
what is kept of them, `conditions` are what a course may set. `cluster` hands units to judges on other machines, where `remote` has them
judged. May import what judges (`diagnosis`, `findings`, `checks`, `sandbox`, `intake`, `course`, `faults`, `rpc`); not `desk`, nor what is made of rows.
"""
