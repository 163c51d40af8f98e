"""From molecules to predictions: one place for campaigns, the command line and notebooks."""
