"""From a submission to rows of verdicts: `judge` one section, `schedule` many at once, `cohort` all of a run.

`results` are the rows, `store` is what is kept of them. `cluster` hands units to judges on other machines, where `remote` has them
judged. Whoever grades calls `cohort.grade`. May import all but `desk`,
`reports` and `cli`.
"""
