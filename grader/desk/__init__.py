"""The learner's side: the checks in the same process, pytest's hooks, the commands of `unstatic`."""
