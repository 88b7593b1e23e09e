"""The name of a mistake: which known, shared or derived one gives the same wrong results to the same checks.

`diagnose` chooses, for a `patient`: a wrong answer, and what does the same. `listed` are the mistakes in solutions/misconceptions/,
`kinds` those that every exercise shares, `edits` those derived from the syntax tree of the `reference`: at its `operations`, by tables of
what is `mistaken` for what, told in the `words` of the field (`trees` has what they do to a tree). `candidates` are all of them, alone and
two at once (`merging` two listed ones).
`evidence` says whether two leave the same behind, `replay` makes the calls of a check again, `observed` is what can be said
where nothing explains it. May import `checks`, `course` and `faults`.
"""
