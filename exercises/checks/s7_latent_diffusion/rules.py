"""What the checks of section 7 say again and again: the rules of the course, and how near is near."""

KEEP = "results keep the data's dtype and device, and arguments stay as they are"
FLOW = "the result is differentiable in its tensors"
SAMPLE = "a number for each sample: all axes but the first are summed"
KL = "KL(N(μ, σ²) || N(0, 1))⟦ = ½ (μ² + σ² - 1 - log σ²)⟧ for each element, added up over a sample's elements"
SINGLE = {"rtol": 1e-5, "atol": 1e-5}
"""For float32: sums of some ten numbers of size up to ten, each rounded by 6e-8 of its size."""
