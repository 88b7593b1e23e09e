"""Results for people: a table on the terminal, a page of HTML. `tally` counts what they show.

May import `course` and the rows of `judging.results`.
"""
