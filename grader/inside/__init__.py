"""What runs inside the jail, beside the border.

Nothing here is believed by the judge: it keeps honest mistakes apart and dishonest ones in.

    nursery     imports torch once; runs no submission. Forks, for each section of a submission, a
    warden      process 1 of namespaces of its own: private /tmp, /dev/shm, /proc, no capabilities, limits. Forks a
    template    that imports the submission once, and forks for each check a
    check       that serves the judge's calls over a socket which only this check has.
"""
