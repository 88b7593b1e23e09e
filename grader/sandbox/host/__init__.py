"""The judge's side of the jail: starting it, a session in it for each check, and what this machine can do to keep a submission in.

`sandbox` starts it and puts a submission in, `session` is one check's process as the judge sees it, `command` the
bubblewrap command line, `isolation` and `doctor` say what works here, `selftest` proves a new sandbox.
"""
