# Section 1: my answers

Sorry, my laptop died on Sunday and this is what the backup had. The *idea* is all there:

1. **forward_step** - multiply the signal by √(1-β), add √β times the noise.
2. **q_sample** - the same with ᾱ, which is the product of all (1-β) so far.

```python
def q_sample(x0, t, noise, alpha_bar):
    return alpha_bar[t].sqrt() * x0 + …
```

The rest is in my notebook, can I hand it in tomorrow?
