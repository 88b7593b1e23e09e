"""The graded checks of section 2, schedules, parameterizations, the bound: a file an exercise, and beside them what several need."""
