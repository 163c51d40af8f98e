"""What the client of a campaign does: run stages, choose rows for them, tell how far it is."""
