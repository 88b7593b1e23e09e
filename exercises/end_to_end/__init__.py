"""The rewards: what was written in a section, trained and put to work. They give no points and are never graded."""
