"""The graded checks of section 5, flows and consistency, one file an exercise, and what several of them need."""
