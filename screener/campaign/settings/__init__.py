"""What is asked of a campaign, and the frozen settings and plans that are decided from it."""
