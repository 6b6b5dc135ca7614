"""One metric of one run over time as a small picture: a line of steps, with a mark where the value changed."""

from __future__ import annotations

from html import escape

from harness.history import Point, Series, step_changes
from harness.report import notation, palette
from harness.report.verdict import difference, growth, value

_WIDTH, _HEIGHT, _EDGE, _FOOT = 420, 96, 10, 18
_WORSE, _BETTER, _LINE = "#c4232b", "#1a7f37", "#0b5cad"
_MARK = 4
_DAY = 10


def trend_picture(series: Series) -> str:
    """Return the picture as an SVG element that is safe in a page; every point has its commit, date and value."""
    points = series.points
    low, high = min(point.value for point in points), max(point.value for point in points)
    room = _HEIGHT - 2 * _EDGE - _FOOT
    step = (_WIDTH - 2 * _EDGE) / max(1, len(points) - 1)

    def place(index: int) -> tuple[float, float]:
        share = (points[index].value - low) / (high - low) if high > low else 0.5
        return _EDGE + index * step, _EDGE + room * (1 - share)

    first = place(0)
    path = [f"M{first[0]:.1f} {first[1]:.1f}"]
    for index in range(1, len(points)):
        x, y = place(index)
        path.append(f"H{x:.1f}V{y:.1f}")
    body = [f'<path d="{"".join(path)}" style="fill:none;stroke:{_LINE};stroke-width:1.6"/>']
    changed = {one.after.result_set: one for one in step_changes(points)}
    for index, point in enumerate(points):
        x, y = place(index)
        said, colour, radius = _told(series, point), _LINE, 2.0
        if found := changed.get(point.result_set):
            worse = series.metric.worsening(found.before.value, point.value) > 0
            colour, radius = (_WORSE if worse else _BETTER), _MARK
            said += f", {difference(series.metric, point.value - found.before.value)} from {found.before}"
            edge = f"M{x:.1f} {place(index - 1)[1]:.1f}V{y:.1f}"
            body.append(f'<path d="{edge}" style="fill:none;stroke:{colour};stroke-width:2.5"/>')
        title = f"<title>{escape(said)}</title>"
        body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" style="fill:{colour}">{title}</circle>')
    for index, anchor in ((0, "start"), (len(points) - 1, "end")):
        if index or len(points) > 1 or anchor == "start":
            text = escape(f"{points[index].date[:_DAY]} {points[index]}")
            style = f"font-size:11px;fill:{palette.MUTED};text-anchor:{anchor}"
            body.append(f'<text x="{place(index)[0]:.1f}" y="{_HEIGHT - 4}" style="{style}">{text}</text>')
    label = escape(f"{series.metric.title} of {notation.plain(series.label)}", quote=True)
    picture = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(body)}</svg>'
    return palette.themed(picture).replace(_WORSE, "var(--bad)").replace(_BETTER, "var(--good)")


def _told(series: Series, point: Point) -> str:
    return f"{point.date[:16].replace('T', ' ')}, {point}: {value(series.metric, point.value)}"


def step_rows(series: Series) -> list[tuple[str, str, str]]:
    """Return between which commits the value changed, by how much, and whether by another model; the newest first."""
    rows = []
    for step in reversed(step_changes(series.points)):
        delta = difference(series.metric, step.after.value - step.before.value)
        share = "" if series.metric.unit == "share" else growth(step.growth)
        note = "another model" if step.model_changed else ""
        rows.append((f"{step.before} → {step.after}, {step.after.date[:_DAY]}", f"{delta} {share}".rstrip(), note))
    return rows
