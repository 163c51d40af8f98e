"""Parity plots: predicted against labelled values."""

from pathlib import Path

from matplotlib.figure import Figure

from screener.training.tables.assessment import Assessment


def write_parity(folder: Path, bundle: str, assessment: Assessment) -> Path:
    """Draw one quantity as `parity_<quantity>.png`.

    Args:
        folder: that exists.
        bundle: name of the model, for the title.
        assessment: with at least one compared row.
    Returns:
        the file.
    """
    figure = Figure(figsize=(5.0, 5.0), layout="constrained")
    axes = figure.subplots()
    ends = [
        min(assessment.label.min(), assessment.predicted.min()),
        max(assessment.label.max(), assessment.predicted.max()),
    ]
    axes.plot(ends, ends, color="0.6", linewidth=1.0)
    axes.scatter(assessment.label, assessment.predicted, s=8.0, alpha=0.5, linewidths=0.0)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(f"label, {assessment.unit}")
    axes.set_ylabel(f"predicted, {assessment.unit}")
    errors = assessment.errors
    axes.set_title(
        f"{bundle}: {assessment.quantity}\n"
        f"n {errors.n}, MAE {errors.mae:.3g}, RMSE {errors.rmse:.3g}, bias {errors.bias:.2g}",
        fontsize="medium",
    )
    path = folder / f"parity_{assessment.quantity}.png"
    figure.savefig(path, dpi=150)
    return path
