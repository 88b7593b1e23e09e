"""What the checks of section 6 say again and again: the rules of the course, and how near is near."""

APART = "each sample has its own scale and level: a value (B,) must become (B, 1, ..., 1) before it multiplies (B, *S)"
ANY = "the scale may be any number: nothing bounds it, on either side"
DOUBLED = "how it is asked, not the guess: the model is called once, whatever the scale, on a batch of 2B: each sample with its label and without"
TOLD = "each of the 2B samples goes to the model with its own t and y, both int64 of shape (2B,)"
BOTH = "each label is asked about, and {other} as often"
FLOW = "the result is differentiable in x_t and in the model's parameters, by both of its answers"
NOISED = "what is shown is x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε, each sample at its own level"
SAMPLER = "a sampler records no gradient"
ROUGH = {"rtol": 3e-5, "atol": 1e-7}
"""Where a number is divided by a deviation of 0.1 or more: 1e-6 added to it, as some do, moves nothing by more than 1e-5."""
UNSURE = {"rtol": 1e-4, "atol": 1e-4}
"""For a classifier whose probabilities are above a thousandth: 1e-8 added to one, as some do, moves the logarithm and its
slope by 1e-5. Where the classifier is sure it shows, and there is a check for that."""
