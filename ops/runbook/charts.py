"""Charts as SVG, made when the site is built. Pure.

Readable in print and without colour: series differ by pattern and form. Each chart is named by the caption of its figure, and
the numbers stand as a table behind it, so the drawing itself holds figures only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 220, 48, 28, 10
_PLOT = HEIGHT - BOTTOM - TOP
_MOST_LABELS = 12
PATTERNS = ("solid", "striped", "dotted")
"""Fills of the series; the first is plain."""

_DEFS = Markup(
    '<defs><pattern id="{0}-striped" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" fill="#fff"/><rect width="3" height="6" fill="#333"/></pattern>'
    '<pattern id="{0}-dotted" width="6" height="6" patternUnits="userSpaceOnUse"><rect width="6" height="6" fill="#fff"/>'
    '<circle cx="3" cy="3" r="1.5" fill="#333"/></pattern></defs>'
)


LINE = Markup('fill="none" stroke="#1a1c1e" stroke-width="2"')
LIMIT = Markup('stroke="#9b1c1c" stroke-dasharray="6 4" stroke-width="2"')
"""Colours stand in the drawing: WeasyPrint gives it nothing of the page's style."""


@dataclass(frozen=True)
class Mark:
    """A value at a place of the x axis; ``good`` is drawn as a filled dot, otherwise as a cross."""

    label: str
    value: float
    good: bool = True


def bars(name: str, labels: Sequence[str], series: Sequence[Sequence[float]]) -> Markup:
    """Return bars over *labels*, one per series, stacked, the first at the bottom.

    Args:
        name: id of the element that says what the chart shows.
        labels: one per bar.
        series: each with one value per bar, not negative.
    """
    top = nice(max((sum(values) for values in zip(*series, strict=True)), default=0))
    step = (WIDTH - LEFT) / max(1, len(labels))
    drawn = []
    for place in range(len(labels)):
        base = 0.0
        for pattern, values in zip(PATTERNS, series, strict=False):
            drawn.append(_bar(LEFT + place * step, step, base, values[place], top, pattern, name))
            base += values[place]
    return _svg(name, [_DEFS.format(name), *_axes(top), *drawn, *_labels(labels, step)])


def line(name: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """Return a line through *values* over *labels*, with a dot at each value."""
    top, step = nice(max(values, default=0)), (WIDTH - LEFT) / max(1, len(labels))
    points = [(LEFT + (place + 0.5) * step, _y(value, top)) for place, value in enumerate(values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = [_dot(x, y, good=True) for x, y in points] if len(points) <= 120 else []
    return _svg(
        name,
        [
            *_axes(top),
            Markup('<polyline class="line" {} points="{}"/>').format(LINE, path),
            *dots,
            *_labels(labels, step),
        ],
    )


def dots(name: str, marks: Sequence[Mark], promised: float | None = None) -> Markup:
    """Return one dot per mark (a cross where it is not good), with a dashed line at what was *promised*."""
    top = nice(max([mark.value for mark in marks] + ([promised] if promised else []), default=0))
    step = (WIDTH - LEFT) / max(1, len(marks))
    drawn = [_dot(LEFT + (place + 0.5) * step, _y(mark.value, top), mark.good) for place, mark in enumerate(marks)]
    limit = Markup(
        '<line class="limit" stroke="#9b1c1c" stroke-dasharray="6 4" stroke-width="2" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>'
    )
    lines = [limit.format(LIMIT, LEFT, WIDTH, y=_y(promised, top))] if promised else []
    return _svg(name, [*_axes(top), *lines, *drawn, *_labels([mark.label for mark in marks], step)])


def nice(value: float) -> float:
    """Return the next round figure (1, 2, 5 times a power of ten) that is not below *value*, at least 1."""
    scale = 1.0
    while scale * 10 < value:
        scale *= 10
    return next((step * scale for step in (1, 2, 5, 10) if step * scale >= value), scale * 10)


def _y(value: float, top: float) -> float:
    return TOP + _PLOT * (1 - value / top)


def _bar(x: float, step: float, base: float, value: float, top: float, pattern: str, name: str) -> Markup:
    if not value:
        return Markup("")
    height = _PLOT * value / top
    fill = "#4a5058" if pattern == "solid" else f"url(#{name}-{pattern})"
    place = f'x="{x + step * 0.15:.1f}" y="{_y(base, top) - height:.1f}" width="{step * 0.7:.1f}" height="{height:.1f}"'
    return Markup(f'<rect class="bar" stroke="#333" fill="{escape(fill)}" {place}/>')  # noqa: S704  (numbers, else escaped)


def _dot(x: float, y: float, good: bool) -> Markup:
    if good:
        return Markup('<circle class="dot" fill="#1a1c1e" cx="{:.1f}" cy="{:.1f}" r="3.5"/>').format(x, y)
    cross = Markup(
        '<path class="cross" fill="none" stroke="#9b1c1c" stroke-width="2.5" d="M{0:.1f} {1:.1f}l8 8m0 -8l-8 8"/>'
    )
    return cross.format(x - 4, y - 4)


def _axes(top: float) -> Iterable[Markup]:
    for share in (0, 0.5, 1):
        y = _y(top * share, top)
        yield Markup('<line class="grid" stroke="#c5cad1" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(
            LEFT, WIDTH, y=y
        )
        yield Markup('<text x="{}" y="{:.1f}" text-anchor="end">{:g}</text>').format(LEFT - 6, y + 4, top * share)


def _labels(labels: Sequence[str], step: float) -> Iterable[Markup]:
    every = -(-len(labels) // _MOST_LABELS) or 1
    for place, label in enumerate(labels):
        if place % every == 0:
            x = LEFT + (place + 0.5) * step
            yield Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(x, HEIGHT - 8, label)


def _svg(name: str, parts: Iterable[Markup]) -> Markup:
    form = Markup('<svg role="img" aria-labelledby="{}" viewBox="0 0 {} {}" font-size="11" fill="#4a5058">{}</svg>')
    return form.format(name, WIDTH, HEIGHT, Markup("").join(parts))
