"""Structures in, calibrated predictions out: sparse FCHL19 models, their uncertainty, domain and bundles."""
