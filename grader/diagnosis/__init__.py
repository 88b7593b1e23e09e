"""The name of a mistake: which known, shared or derived one gives the same wrong results to the same checks.

`listed` are the mistakes in solutions/misconceptions/, `kinds` those that every exercise shares, `edits` those derived from
the syntax tree of the `reference`, in the `words` of the field; `candidates` are all of them, alone and two at once.
`evidence` says whether two leave the same behind, `replay` makes the calls of a check again, `observed` is what can be said
where nothing explains it, and `diagnose` chooses. May import `checks`, `course` and `faults`.
"""
