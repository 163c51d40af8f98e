"""Labels, splits, fitting and evaluation: how the shipped bundles came to be."""
