"""Grading in somebody's CI: what the workflows in .github/workflows run, `python -m grader.ci COMMAND`, and Gradescope's container.

`take` gets the section files out of a repository as data; `grading` grades them and leaves what a learner may see; `workflow` is
GitHub's side of it: annotations, summary, outputs, of which nothing submitted can be a command; `badge` is a badge; `status` marks
a commit; `cohort` is a class at once. `settings` reads the environment, in which all of them are told what to do. May import
everything but `desk` and `cli`.
"""
