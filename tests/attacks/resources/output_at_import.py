"""Resources: output without an end while the module is imported.

expect: compute_alpha_bar output-limit
expect: forward_step output-limit
"""

while True:
    print("importing " * 1000)
