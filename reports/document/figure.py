"""From a drawing to a figure of a report."""

from matplotlib.figure import Figure as Canvas

from moleflow.drawing import to_png, to_svg
from reports.document.parts import Figure, Words


def drawn(canvas: Canvas, name: str, title: str, unit: str, n: Words, caption: Words) -> Figure:
    """A figure as SVG and PNG; the same drawing gives the same bytes."""
    return Figure(name, title, unit, n, caption, to_svg(canvas), to_png(canvas))
