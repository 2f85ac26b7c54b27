"""A plot of results as SVG: a panel for each app, a group of bars for each number of connections.

Takes lists and names, returns text. This module must not know: servers, or how it was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, log10

__all__ = ["draw"]

WIDTH = 900
_MARGIN = 16
_PANEL = 190
_LEFT = 66
_TOP = 92
_COLOURS = ("#8b95a5", "#4e79a7", "#59a14f", "#e15759", "#b07aa1", "#f28e2b", "#76b7b2", "#9c755f")

Values = Mapping[str, Mapping[str, Mapping[int, float]]]
"""App → side → number of connections → requests a second."""


def draw(values: Values, title: str, notes: Sequence[str]) -> str:
    """Return the SVG of ``values``; sides keep the order of their first appearance.

    ``notes`` appear below it: machine, versions. Sides without a value have no bar.
    """
    sides = list(dict.fromkeys(side for app in values.values() for side in app))
    colours = {side: _COLOURS[n % len(_COLOURS)] for n, side in enumerate(sides)}
    height = _TOP + (_PANEL + 58) * len(values) + 18 * len(notes) + _MARGIN + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" '
        'font-size="12" fill="#24292f">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(_MARGIN, 30, title, size=18, weight="600"),
        *_legend(sides, colours),
    ]
    top = _TOP
    for app, measured in values.items():
        parts += _panel(app, measured, sides, colours, top)
        top += _PANEL + 58
    for number, note in enumerate(notes):
        parts.append(_text(_MARGIN, top + 8 + 18 * number, note, colour="#57606a"))
    return "\n".join([*parts, "</svg>", ""])


def _legend(sides: Sequence[str], colours: Mapping[str, str]) -> list[str]:
    parts = []
    x, y = _MARGIN, 46
    for side in sides:
        width = 24 + 7 * len(side)
        if x + width > WIDTH - _MARGIN:
            x, y = _MARGIN, y + 18
        parts.append(f'<rect x="{x}" y="{y}" width="11" height="11" fill="{colours[side]}"/>')
        parts.append(_text(x + 16, y + 10, side))
        x += width
    return parts


def _panel(
    app: str,
    measured: Mapping[str, Mapping[int, float]],
    sides: Sequence[str],
    colours: Mapping[str, str],
    top: int,
) -> list[str]:
    counts = sorted({count for side in measured.values() for count in side})
    highest = max((rate for side in measured.values() for rate in side.values()), default=1.0)
    step = _step(highest)
    most = step * max(1, ceil(highest / step))
    bottom = top + 24 + _PANEL
    right = WIDTH - _MARGIN
    parts = [_text(_MARGIN, top + 8, app, size=14, weight="600")]
    parts.append(_text(right, top + 8, "requests a second", colour="#57606a", anchor="end"))
    for tick in range(int(most / step) + 1):
        y = bottom - _PANEL * tick * step / most
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#d8dee4"/>'
        )
        parts.append(_text(_LEFT - 8, y + 4, f"{tick * step:,.0f}", "end", colour="#57606a"))
    group = (right - _LEFT) / max(1, len(counts))
    width = min(26.0, (group - 22) / max(1, len(sides)))
    for place, count in enumerate(counts):
        middle = _LEFT + group * (place + 0.5)
        plural = "connections" if count != 1 else "connection"
        parts.append(_text(middle, bottom + 17, f"{count} {plural}", "middle"))
        x = middle - width * len(sides) / 2
        for side in sides:
            rate = measured.get(side, {}).get(count)
            if rate is not None:
                tall = _PANEL * rate / most
                parts.append(
                    f'<rect x="{x:.1f}" y="{bottom - tall:.1f}" width="{width - 2:.1f}" '
                    f'height="{max(tall, 0.5):.1f}" fill="{colours[side]}"><title>'
                    f"{escape(side)}: {rate:,.0f}</title></rect>"
                )
            x += width
    return parts


def _step(highest: float) -> float:
    """Return a round step of which about four reach ``highest``."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** int(log10(highest / 4)) if highest >= 4 else 1.0
    return next((power * n for n in (1, 2, 2.5, 5, 10) if power * n * 5 >= highest), power * 10)


def _text(
    x: float, y: float, text: str, anchor: str = "start", *,
    size: int = 12, weight: str = "400", colour: str = "#24292f",
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'font-weight="{weight}" fill="{colour}">{escape(text)}</text>'
    )
