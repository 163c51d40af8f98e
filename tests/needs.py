"""Packages that some tests need and pip does not install.

Such a test is skipped where its package is missing, and fails instead where SCREENER_REQUIRE, a
list with commas, names the package: a machine that is meant to run it must not pass it over.
"""

import os

import pytest


def needs(package: str, is_there: bool, how: str) -> None:
    """Go on with the test if the package is there; `how` says how to install it."""
    if is_there:
        return
    required = [name.strip() for name in os.environ.get("SCREENER_REQUIRE", "").split(",")]
    if package in required:
        pytest.fail(f"SCREENER_REQUIRE asks for {package}, which is missing: {how}")
    pytest.skip(f"{package} is missing: {how}")
