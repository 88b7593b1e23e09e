"""Noise: matplotlib at import, with a figure that is drawn and never shown.

expect: forward_step pass
expect: compute_alpha_bar pass
"""

import matplotlib.pyplot as plt

figure, axes = plt.subplots()
axes.plot([1, 2], [3, 4])
plt.show()
