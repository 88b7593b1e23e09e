"""The learner's desk: pytest's hooks (`plugin`), the commands of `unstatic`, and how both look on a terminal.

`commands` parses, `practice` and `watch` run the learner's code (`loading`), `progress` knows where the learner stands,
`terminal` and `live` show it. `in_notebook` is the same for a notebook's `check(...)`, `alone` the commands without the grader's. May import `checks`, `diagnosis`, `findings`, `source`; never the judge's side.
"""
