"""The bridge to nbgrader: its course folder, and our judge in the place of its executor.

`course` writes the folder, whose nbgrader_config.py calls `settings.configure`. From then on nbgrader's own commands do it all:
`answers` empties the source's answers, `submitted` reads what was handed in as data, `preprocessor` has it judged, `unfinished`
finds what a killed run left behind, `export` writes the CSV. Nothing of a submission runs in a kernel. Of these modules, `course` and `submitted` need no nbgrader. May import all but `cli` and `ci`.
"""
