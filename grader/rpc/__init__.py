"""Remote procedure calls between judge and jail: frames of plain data, and calls, modules and gradients over them.

Both processes run it. Read it from below: limits, frames and tensors (bytes), plain and codec (values), messages (what is
untrusted), handles and proxies, sync and arguments (state and changes), autograd, connection. It imports nothing of ours.
"""
