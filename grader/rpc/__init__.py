"""Remote procedure calls between judge and jail: frames of plain data, and calls, modules and gradients over them.

Both processes run it. Read it from below: `limits`, `tensors` and `frames` (bytes), `plain` and `codec` (values), `errors` (exceptions),
`messages` (what is untrusted), `handles` and `proxies`, `sync`, `closures` (by `names`) and `arguments` (state and changes), `given` (what
crosses by value), `modes` and `autograd`, `connection`. `pauses` are for trials of a busy machine. It imports nothing of the grader's.
"""
