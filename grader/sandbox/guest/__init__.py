"""What runs inside the jail, on top of `grader.rpc`.

Nothing here is believed by the judge: it keeps honest mistakes apart and dishonest ones in.

    forkserver   imports torch once, and `rehearsal` runs what is slow the first time; runs no submission. Forks a supervisor for each section.
    supervisor   is process 1 of namespaces of its own, puts up the `walls`, kills and empties what a check left (`cleanup`). Forks a zygote.
    zygote       imports the submission once (`running`, in what is around a notebook: `jupyter`), tells what `uses` what. Forks a worker for each check.
    worker       serves the judge's calls over a socket which only this check has.

They talk in `orders`. `confine` has the kernel's means that walls are made of, `process_state` what each check is to find as it was;
`selftest` is a submission of our own; `compiler` has torch do without a compiler.
"""
