"""How much the errors of each column count in a training."""

from collections.abc import Mapping

from screener.errors import ConfigError
from screener.models.targets import Targets


def loss_weights_of(given: Mapping[str, float], targets: Targets) -> tuple[float, ...]:
    """The weights of the fitted columns, in units of their standard deviation.

    Args:
        given: by the name of a column or of its quantity; 1 where neither is named.
        targets: what is learned.
    Returns:
        (n_fitted,).
    Raises:
        ConfigError: a weight is of nothing that is learned.
    """
    fitted = [each.column for each in targets.fitted]
    names = {name for each in fitted for name in (each.name, each.quantity.name)}
    if unknown := sorted(set(given) - names):
        raise ConfigError(
            f"settings.loss_weights names {unknown[0]}, and the model learns "
            f"{', '.join(targets.names)}"
        )
    return tuple(float(given.get(each.name, given.get(each.quantity.name, 1.0))) for each in fitted)
