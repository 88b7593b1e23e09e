"""Results for other programs: gradebooks (`canvas`, `moodle`, `nbgrader`), autograders (`gradescope`, `classroom50`), CI (`junit`).

`document` reads what `unstatic grade --json` wrote, `earlier` says what a regrade takes from such results and what new ones take
away, `people` makes a line a learner of it, `cells` writes tables of which no cell is a formula, `formats` knows them all, `commands` is the command line's part. What a learner may get to see says nothing of checks
that are not shown. May import `reports`, `syllabus`, the rows of `judging.results`, `course`, `files`, and `intake` for what may be shown.
"""
