"""The judge's side of the jail: starting it, a session in it for each check, and what this machine can do to keep a submission in.

`sandbox` starts it and puts a submission in, `imported` is what became of its import, `session` is one check's process as the judge
sees it, `limits` are the time and the output that it has, `memory` is what the judge holds itself. `command` is the bubblewrap
command line, `interpreter` what Python needs in it, `cgroup` a cap on all of a jail, `scratch` a folder that leaves nothing behind.
`isolation` and `doctor` say what works here, `selftest` proves a new sandbox.
"""
