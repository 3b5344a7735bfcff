"""The soak's figures over time as an SVG: one strip per figure, from its least to its greatest value."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, STRIP, LEFT, GAP = 900, 90, 190, 26


def soak_svg(minutes: Sequence[float], figures: Mapping[str, Sequence[float]]) -> str:
    """`figures` by title, each with one value per entry of `minutes`."""
    height = GAP + len(figures) * (STRIP + GAP) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for row, (title, values) in enumerate(figures.items()):
        parts += _strip(minutes, title, values, top=GAP + row * (STRIP + GAP))
    parts.append(f'<text x="{LEFT}" y="{height - 8}">minutes 0 to {minutes[-1]:.0f}</text></svg>')
    return "\n".join(parts) + "\n"


def _strip(minutes: Sequence[float], title: str, values: Sequence[float], *, top: int) -> list[str]:
    greatest = max(*values, 1e-9)
    span = minutes[-1] or 1.0
    points = " ".join(
        f"{LEFT + minute / span * (WIDTH - LEFT - 20):.1f},{top + STRIP - value / greatest * STRIP:.1f}"
        for minute, value in zip(minutes, values, strict=True)
    )
    return [
        f'<text x="10" y="{top + STRIP / 2}">{escape(title)}</text>',
        f'<text x="10" y="{top + STRIP / 2 + 16}" fill="#666">{min(values):.0f} to {max(values):.0f}</text>',
        f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{top + STRIP}" y2="{top + STRIP}" stroke="#ccc"/>',
        f'<polyline points="{points}" fill="none" stroke="#0b62a4" stroke-width="1.5"/>',
    ]
