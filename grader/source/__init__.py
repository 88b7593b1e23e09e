"""What is made from solutions/: `markers` finds the answers in a reference module, `stubs` writes the learner's files.

May import `course`.
"""
