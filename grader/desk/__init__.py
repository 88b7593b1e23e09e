"""The learner's desk: pytest's hooks (`plugin`), the commands of `unstatic`, and how both look on a terminal.

`commands` parses, `asking` knows what is meant, `restoring` puts stubs back, `practice` and `watch` run the learner's code:
`reading` and `loading` read it as the grader does, `trial` tries it for as long as `patience` allows. `progress` knows where the learner stands, by what `memory` holds
as long as nothing has changed that it `depends` on; `training` is a reward's. `terminal` and `live` show it, `showing` draws. `in_notebook` is the
same for a notebook's `check(...)`, `alone` the commands without the grader's. May import `checks`, `diagnosis`, `findings`,
`intake` for how text is decoded, `source`, where the site has an exercise, and from `sandbox.guest` how a notebook is run; never the judge's side.
"""
