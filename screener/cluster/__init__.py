"""Where workers come from: processes on this machine, or a scheduler that is running already."""
