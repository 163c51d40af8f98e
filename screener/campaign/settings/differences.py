"""What was asked of a campaign as text, and what differs between two campaigns."""

from typing import Any

from screener.ranking.objectives import RankingSettings


def asked(settings: RankingSettings) -> dict[str, list[str]]:
    """Objectives and constraints as text, and by what; equal when they rank alike."""
    by: dict[str, list[str]] = {} if settings.by == "value" else {"by": [settings.by]}
    return by | {
        "objectives": [each.text for each in settings.objectives],
        "constraints": [each.text for each in settings.constraints],
    }


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """What differs between two values made of dicts, key by key, for a person.

    A dict that one side lacks is told as a whole, and digests, which nobody can read, as different.

    Args:
        before: of the campaign that is there.
        now: what is asked.
        path: of both in what is compared, such as `stages.mmff94`.
    Returns:
        a line for each difference; empty where they are equal.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(key for key in now if key not in before)]
        return [
            line
            for key in keys
            for line in differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
        ]
    if before == now:
        return []
    if now is None and isinstance(before, dict):
        return [f"{path}: in the campaign, not asked now"]
    if before is None and isinstance(now, dict):
        return [f"{path}: asked now, not in the campaign"]
    if path.endswith("digest"):
        return [f"{path.removesuffix('_digest')}: another one now"]
    return [f"{path}: {_shown(before)} in the campaign, {_shown(now)} now"]


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)
