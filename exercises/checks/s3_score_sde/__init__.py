"""The graded checks of section 3, the score view: a file an exercise, and beside them what several need."""
