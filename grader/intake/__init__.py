"""What learners hand in, read as data into sections of source text; nothing of it is run.

`reading` reads a `submission` from `trees` of files (`archives` too), or one a student from a class download (`classes`, `downloads`); `choosing`
tells which file of a folder is which section's, by its `names` or by what it defines, `looking` which folder, `mistaken` what a file is
instead; `sources` are modules, `notebooks` of `cells`, also saved as `scripts`; `syntax` asks the compiler. What is told of submitted text
is made `visible`.
May import `course`.
"""
