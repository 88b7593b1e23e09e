"""Results for people: `report` has the table on the terminal and the page of a class, `feedback` what one learner may see.

`tally` counts what they show, `cards` puts together what came out alike, `difference` compares two results. May import `course`, the rows
of `judging.results`, and `checks.sentences`.
"""
