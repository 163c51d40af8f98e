"""Sparse Gaussian-process regression on atom environments: the model and its evaluation."""
