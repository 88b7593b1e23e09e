"""The numbers behind the site's pictures that move. `python -m solutions.moving` makes them, with the reference solutions.

Each function of `made` gives one picture's numbers; `exercises/lessons/moving/NAME.json` keeps them, and a script draws them.
"""
