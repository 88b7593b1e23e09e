"""The graded checks of section 7, latent diffusion: a file an exercise, and beside them what several need."""
