"""The pictures of the lessons. `python -m solutions.pictures` draws them, with the reference solutions.

A module sN_name holds one function for each exercise, of the exercise's name: it takes the code that is to draw (the
reference, or a learner's module) and returns a figure.
"""
