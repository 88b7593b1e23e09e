"""The graded checks of section 6, guidance: a file an exercise, and beside them what several need."""
