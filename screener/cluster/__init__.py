"""Where workers come from: this machine, Slurm, Kubernetes, or a scheduler that runs already."""
