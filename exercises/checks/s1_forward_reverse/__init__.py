"""The graded checks of section 1, destroy, then rebuild: a file an exercise, and beside them what several need."""
