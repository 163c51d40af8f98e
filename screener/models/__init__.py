"""Structures in, calibrated predictions out: sparse FCHL19 models and their bundles."""
