"""Charts as SVG of our own: bars and lines in the page's colours, readable without them. Pure; a table beside says the same."""

import html
from collections.abc import Sequence
from typing import Final, NamedTuple

from console.pages.show import Markup

_WIDTH: Final = 640
_ROW: Final = 30
_LABEL: Final = 210


class Bar(NamedTuple):
    """A bar: what it stands for, how much, how that is written, and its tone (good, wait, bad, calm)."""

    label: str
    amount: int
    said: str
    tone: str = "calm"


def bars(title: str, found: Sequence[Bar]) -> Markup:
    """Return horizontal bars, the longest over the whole width."""
    most = max((bar.amount for bar in found), default=0) or 1
    rows = []
    for place, bar in enumerate(found):
        y = place * _ROW
        width = max(2, round((_WIDTH - _LABEL - 90) * bar.amount / most)) if bar.amount else 0
        rows.append(
            f'<text x="0" y="{y + 19}" class="om-axis">{html.escape(bar.label)}</text>'
            f'<rect x="{_LABEL}" y="{y + 5}" width="{width}" height="{_ROW - 10}" rx="3" class="om-bar-{bar.tone}"></rect>'
            f'<text x="{_LABEL + width + 8}" y="{y + 19}" class="om-value">{html.escape(bar.said)}</text>'
        )
    said = "; ".join(f"{bar.label}: {bar.said}" for bar in found)
    return _svg(title, said, _ROW * max(1, len(found)), "".join(rows))


def days(title: str, points: Sequence[tuple[str, float]], goal: float | None, unit: str) -> Markup:
    """Return a column a day, with the goal as a dashed line across."""
    height, base, left = 150, 120, 46
    most = max([value for _, value in points] + ([goal] if goal else []) + [0.0]) or 1.0
    step = (_WIDTH - left) / max(1, len(points))
    parts = [
        f'<text x="0" y="14" class="om-axis">{_short(most)} {html.escape(unit)}</text><line x1="{left}" y1="{base}" x2="{_WIDTH}" y2="{base}" class="om-grid-line"></line>'
    ]
    for place, (label, value) in enumerate(points):
        tall = round((base - 10) * value / most, 1)
        x = left + place * step
        over = goal is not None and value > goal
        parts.append(
            f'<rect x="{x + step * 0.15:.1f}" y="{base - tall:.1f}" width="{step * 0.7:.1f}" height="{tall:.1f}" rx="2" class="om-bar-{"bad" if over else "calm"}">'
            f"<title>{html.escape(label)}: {_short(value)} {html.escape(unit)}</title></rect>"
        )
        if place in (0, len(points) - 1):
            anchor = "start" if place == 0 else "end"
            parts.append(
                f'<text x="{x if place == 0 else _WIDTH}" y="{base + 20}" text-anchor="{anchor}" class="om-axis">{html.escape(label)}</text>'
            )
    if goal is not None:
        y = base - (base - 10) * goal / most
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{_WIDTH}" y2="{y:.1f}" class="om-goal"></line>')
    said = ", ".join(f"{label} {_short(value)}" for label, value in points)
    return _svg(title, f"{said}; goal {_short(goal)} {unit}" if goal is not None else said, height, "".join(parts))


def _short(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _svg(title: str, said: str, height: int, body: str) -> Markup:
    label = html.escape(f"{title}: {said}", quote=True)
    return Markup(f'<svg class="om-chart" role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {height}">{body}</svg>')
