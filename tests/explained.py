"""What is said to people of a molecule in a campaign."""

from screener.campaign.results import explain as explaining


def explain(*arguments, **options):
    """The lines that `screener explain` prints, as pairs of label and text."""
    return explaining.explain(*arguments, **options).lines
