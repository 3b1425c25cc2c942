# SPDX-License-Identifier: Apache-2.0
"""Charts as SVG: lines and grouped bars, with colours for light and dark pages.

Written by hand: two chart types do not justify a plotting library as a dependency.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from math import floor, log10

Values = Sequence[float | None]

_WIDTH, _HEIGHT = 760, 440
_LEFT, _RIGHT, _BOTTOM = 72, 70, 70
_FIRST_LEGEND, _LEGEND_ROW, _LETTER = 58, 20, 6.9
_LABEL_GAP = 15
_LIGHT = ("#2563eb", "#0d9488", "#d97706", "#7c3aed", "#64748b", "#db2777")
_DARK = ("#6ea8ff", "#4fd1c0", "#f6b450", "#b79bff", "#a3b1c4", "#ff8ac2")


@dataclass(frozen=True, slots=True)
class Chart:
    """Several series over the same categories; None where nothing was measured."""

    title: str
    x_label: str
    y_label: str
    """Axis labels, including units."""
    categories: Sequence[str]
    """Labels of one or two lines."""
    series: Mapping[str, Values]

    def lines(self) -> str:
        """A line chart with points; the last point of each line shows its value."""
        marks: list[str] = []
        ends: list[_Label] = []
        for number, values in enumerate(self.series.values()):
            points = [
                (self._x(index), self._y(value), value)
                for index, value in enumerate(values)
                if value is not None
            ]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
            marks.append(f'<polyline class="line c{number}" points="{path}"/>')
            for x, y, _ in points:
                marks.append(f'<circle class="c{number}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
            ends += [_Label(x, y, value, number) for x, y, value in points[-1:]]
        for end in _spread_labels(ends):
            marks.append(_text(end.x + 10, end.y + 4, _format(end.value), f"bold f{end.number}"))
        return self._document(marks)

    def bars(self) -> str:
        """A bar chart with a group of bars per category; each bar shows its value."""
        marks: list[str] = []
        step = (_WIDTH - _LEFT - _RIGHT) / len(self.categories)
        for category in range(len(self.categories)):
            measured = [
                (number, value)
                for number, values in enumerate(self.series.values())
                if (value := values[category]) is not None
            ]
            width = min(46.0, 0.88 * step / max(1, len(measured)))
            left = self._x(category) - width * len(measured) / 2
            for index, (number, value) in enumerate(measured):
                x, y = left + index * width, self._y(value)
                size = f'width="{width - 4:.1f}" height="{self._y(0) - y:.1f}"'
                marks.append(f'<rect class="c{number}" x="{x + 2:.1f}" y="{y:.1f}" {size} rx="2"/>')
                marks.append(_text(x + width / 2, y - 6, _format(value), "ink small", "middle"))
        return self._document(marks)

    @property
    def _top(self) -> float:
        return _FIRST_LEGEND + _LEGEND_ROW * len(list(self._legend_rows())) + 14

    @property
    def _ticks(self) -> list[float]:
        """Four to seven round numbers from 0 to beyond the largest value."""
        known = [value for values in self.series.values() for value in values if value is not None]
        largest = max(known, default=1.0) or 1.0
        magnitude = 10.0 ** floor(log10(largest))
        step = next(
            each * magnitude for each in (0.2, 0.5, 1, 2) if largest / (each * magnitude) <= 6
        )
        count = int(largest * 1.04 / step) + 1
        return [step * tick for tick in range(count + 1)]

    def _x(self, category: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (category + 0.5) / len(self.categories)

    def _y(self, value: float) -> float:
        floor_y = _HEIGHT - _BOTTOM
        return floor_y - (floor_y - self._top) * value / self._ticks[-1]

    def _document(self, marks: Sequence[str]) -> str:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            f'role="img" aria-label="{escape(self.title)}">'
        )
        card = f'<rect class="card" width="{_WIDTH}" height="{_HEIGHT}" rx="10"/>'
        title = _text(_LEFT - 44, 34, self.title, "ink title")
        parts = [head, _style(), card, title, *self._legend(), *self._axes(), *marks, "</svg>"]
        return "\n".join(parts) + "\n"

    def _legend_rows(self) -> Iterator[list[tuple[int, str]]]:
        """Splits the names into rows that fit the width."""
        row: list[tuple[int, str]] = []
        used = 0.0
        for number, name in enumerate(self.series):
            width = 40 + _LETTER * len(name)
            if row and used + width > _WIDTH - _LEFT:
                yield row
                row, used = [], 0.0
            row.append((number, name))
            used += width
        yield row

    def _legend(self) -> Iterator[str]:
        for level, row in enumerate(self._legend_rows()):
            x, y = _LEFT - 44.0, _FIRST_LEGEND + _LEGEND_ROW * level
            for number, name in row:
                yield f'<rect class="c{number}" x="{x:.1f}" y="{y - 5}" width="14" height="10"/>'
                yield _text(x + 20, y + 4, name, "ink")
                x += 40 + _LETTER * len(name)

    def _axes(self) -> Iterator[str]:
        for tick in self._ticks:
            y = self._y(tick)
            yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
            yield _text(_LEFT - 8, y + 4, f"{tick:g}", "faint", "end")
        for category, name in enumerate(self.categories):
            for line, words in enumerate(name.split("\n")):
                y = _HEIGHT - _BOTTOM + 19 + 16 * line
                yield _text(self._x(category), y, words, "ink", "middle")
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        yield _text(middle, _HEIGHT - 14, self.x_label, "faint", "middle")
        turned = f"rotate(-90 20 {(self._top + _HEIGHT - _BOTTOM) / 2:.0f})"
        y = (self._top + _HEIGHT - _BOTTOM) / 2
        yield _text(20, y, self.y_label, "faint", "middle", f' transform="{turned}"')


@dataclass(frozen=True, slots=True)
class _Label:
    """The label at the end of a line."""

    x: float
    y: float
    value: float
    number: int


def _spread_labels(labels: Sequence[_Label]) -> Iterator[_Label]:
    """The labels from top to bottom, moved down where they would overlap."""
    lowest: dict[float, float] = {}
    for label in sorted(labels, key=lambda each: each.y):
        lowest[label.x] = max(label.y, lowest.get(label.x, 0.0) + _LABEL_GAP)
        yield replace(label, y=lowest[label.x])


def _format(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start", more: str = "") -> str:
    position = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {position}{more}>{escape(text)}</text>'


def _style() -> str:
    def coloured(colours: Sequence[str]) -> str:
        return "".join(
            f".c{n}{{fill:{c};stroke:{c}}}.f{n}{{fill:{c}}}" for n, c in enumerate(colours)
        )

    return (
        "<style>text{font:13px system-ui,sans-serif}.title{font-size:17px;font-weight:600}"
        ".small{font-size:11px}.bold{font-weight:600}"
        f".card{{fill:#ffffff}}.ink{{fill:#1f2937}}.faint{{fill:#6b7280}}{coloured(_LIGHT)}"
        ".grid{stroke:#e5e7eb}"
        "@media (prefers-color-scheme:dark){"
        f".card{{fill:#161b22}}.ink{{fill:#e6edf3}}.faint{{fill:#9aa4b2}}{coloured(_DARK)}"
        ".grid{stroke:#2d3540}}"
        ".line.line{fill:none;stroke-width:2.5}rect{stroke:none!important}</style>"
    )
