"""What is made from solutions/: the learner's stubs; and what a new exercise needs.

`markers` finds the answers in a reference module, `stubs` writes the learner's files, `scaffold` lays an exercise. May import
`course`.
"""
