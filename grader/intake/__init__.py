"""What learners hand in, read into sections of source text."""
