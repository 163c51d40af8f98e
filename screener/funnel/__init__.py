"""Which molecules a dear stage should see: arrays in, choices out, nothing on how they run."""
