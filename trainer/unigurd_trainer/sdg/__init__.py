"""Synthetic data generation: from a policy to a clean data set (paper, section 3.1)."""
