"""What runs inside the jail, on top of `grader.rpc`.

Nothing here is believed by the judge: it keeps honest mistakes apart and dishonest ones in.

    forkserver   imports torch once; runs no submission. Forks, for each section of a submission, a
    supervisor   process 1 of namespaces of its own: private /tmp, /dev/shm, /proc, no capabilities, limits. Forks a
    zygote       that imports the submission once, and forks for each check a
    worker       that serves the judge's calls over a socket which only this check has.
"""
