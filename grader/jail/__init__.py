"""The judge's side of the jail: starting it, and finding out how well this machine can keep a submission in."""
