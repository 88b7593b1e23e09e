"""What a course sets for itself, in a file of its own outside the checkout: `unstatic grade --course FILE`.

`entries` are values of a TOML file that know their line, `reading` makes a `Syllabus` (`rules`) of them and says all that is wrong with
the file before anything is graded; `columns` are the tables beside it, `summary` says it in words. `roster` says whose a submission is,
`receipts` when it came, `own_checks` are the instructor's. `grading` grades a cohort by all that: `marks` is what a row earns by the course's
rules, `equal` which submissions are the same, `hiding` names that are not shown. Verdicts are the judge's: a syllabus changes points, never
a verdict. May import `judging` and what is below it.
"""
