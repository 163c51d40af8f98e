"""Skip a test that needs a package, or fail where SCREENER_REQUIRE names it."""

import os

import pytest


def needs(package: str, is_there: bool, how: str) -> None:
    """Skip the test unless the package is there; `how` says how to install it."""
    if is_there:
        return
    message = f"{package} is missing: {how}"
    if package in os.environ.get("SCREENER_REQUIRE", "").split(","):
        pytest.fail(message)
    pytest.skip(message)
