"""What came out of a campaign: totals, rankings, shortlists, explanations, provenance."""
