"""The course as a site: `python -m grader.site`, which is `make site`, builds it into `site/` from what is already there.

Nothing is written twice: `pages` lays the lessons, the course file, the checks and the documents out as Markdown, in the folders
that they have in the repository, so that their links hold (`front` is its first page, `exercise` what stands at one, `listings` its tables);
`moving` puts the pictures that move, `formulas` turns mathematics into MathML; `build` hands all of it to MkDocs; `hooks` is what MkDocs
calls back. `places` knows where an exercise is in the result. May import `course` and `source`; MkDocs is needed by `build` alone (the
extra "site").
"""
