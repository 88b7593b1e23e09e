"""Noise: pools of threads and of processes inside a function.

needs: bwrap
expect: compute_alpha_bar pass
"""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

honest = compute_alpha_bar


def double(number):
    return 2 * number


def compute_alpha_bar(betas):
    with ThreadPoolExecutor(2) as pool:
        answer = pool.submit(honest, betas).result()
    if len(betas) == 3:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.map(double, [1, 2]) == [2, 4]
    return answer
