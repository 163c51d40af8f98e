"""High-throughput screening of molecules for batteries with delta models on a Dask cluster."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from screener.api import Campaign, Library, load_model

__all__ = ["Campaign", "Library", "load_model"]


def __getattr__(name: str) -> Any:
    """What stands in `__all__` on first use: importing screener alone loads no library."""
    if name in __all__:
        from screener import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
