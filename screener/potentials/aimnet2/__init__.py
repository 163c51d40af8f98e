"""AIMNet2: its published weights, and their evaluation in batches."""
