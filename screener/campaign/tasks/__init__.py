"""What workers do for a campaign: one function for each kind of task."""
