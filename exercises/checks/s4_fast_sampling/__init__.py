"""The graded checks of section 4, fast sampling: a file an exercise, and beside them what several need."""
