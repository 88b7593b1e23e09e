"""What is made from solutions/: stubs, notebooks, the learners' repository; and what a new exercise needs.

`markers` finds the answers in a reference module, `stubs` writes the learner's files, `notebooks` a section as a notebook, `release` a
repository without answers (`folder` writes it over what others wrote, `imports` finds what of the grader goes with it), `scaffold`
lays an exercise. May import `course`.
"""
