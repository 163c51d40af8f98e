"""Kernel ridge regression with increments: for few labels and larger molecules."""
