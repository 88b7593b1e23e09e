"""The numbers that the lessons quote, measured on the reference solutions."""
