"""From a submission to rows of verdicts: `judge` one section, `schedule` many at once, `cohort` all of a run.

`results` are the rows, `store` is what is kept of them. Whoever grades calls `cohort.grade`. May import all but `desk`,
`reports` and `cli`.
"""
