"""Networks that read quantities off the features that AIMNet2 makes of atoms."""
