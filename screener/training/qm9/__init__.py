"""Training on QM9: its molecules, labels made from them, and the bundles fitted on these."""
