"""The border between judge and jail: frames of plain data, and calls, modules and gradients over them. Both sides run it."""
