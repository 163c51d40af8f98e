"""Checks that anybody can run on levels, quantities, goals and models of his own.

    from screener.testing import check_level

    def test_my_level():
        check_level(MY_LEVEL)

Each is a plain function that raises an AssertionError with a sentence that says what is wrong. Our
own levels, quantities, goals and shipped bundles pass the same checks.
"""

from screener.testing.goals import check_goal
from screener.testing.levels import check_level
from screener.testing.models import check_model
from screener.testing.quantities import check_quantity

__all__ = ["check_goal", "check_level", "check_model", "check_quantity"]
