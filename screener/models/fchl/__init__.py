"""FCHL19 atom environments of structures, and kernels between them."""
