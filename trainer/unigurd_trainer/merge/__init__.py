"""Model merging: pure functions over named tensors (paper, section 3.4)."""
