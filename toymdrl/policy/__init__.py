"""The policy and what is exact about it: forests of answers, the transformer, sampling, expected reward."""
