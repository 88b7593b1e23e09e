"""The sandbox that keeps a submission in: `guest` is what runs within it, `host` the judge's side.

`guest` imports `grader.rpc` alone, and no more of the grader than these two lies in the jail; `host` may import `guest`,
`rpc`, `course` and `faults`.
"""
