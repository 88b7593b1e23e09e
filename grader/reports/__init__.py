"""Results for people: a table on the terminal, a page of HTML. `tally` counts what they show.

`feedback` is for one learner. May import `course`, the rows of `judging.results`, and `checks.sentences`.
"""
