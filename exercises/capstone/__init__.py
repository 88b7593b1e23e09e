"""The capstone, static into digits: the functions of all seven sections at work as one system.

    code, missing = under_one_roof(solved)       # solved: by section, the learner's functions that pass
    system = System(code, CPU, folder)
    system.learn()
    film = system.draw(labels)

The schedule is section 1's and 2's, what moves the slow copy is section 2's, the latent and its model are section 7's, the
labels are led by section 6, and the static is taken away by section 4's solver. Sections 3 and 5 read the same network as a
score and as a velocity, and arrive at the same digits (`views`).
"""

from exercises.capstone.film import animation, strip, three_views
from exercises.capstone.system import CPU, GPU, NEEDED, Film, System, under_one_roof
from exercises.capstone.views import VIEWS, View

__all__ = [
    "CPU",
    "GPU",
    "NEEDED",
    "VIEWS",
    "Film",
    "System",
    "View",
    "animation",
    "strip",
    "three_views",
    "under_one_roof",
]
