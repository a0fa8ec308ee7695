"""Where the points of a trend stand in a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapport_feedback.domain.questions import Scale
from rapport_feedback.domain.scores import Estimate, measured

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 16, 36
LINES = 4
MOST_LABELS = 8


@dataclass(frozen=True, slots=True)
class Dot:
    """A score and its interval in the picture, in pixels; `label` where there is room for one."""

    x: float
    y: float
    low: float
    high: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Dots from left to right; `parts` are lines between those that follow each other; `grid` is of
    (y, number).
    """

    dots: list[Dot]
    parts: list[str]
    grid: list[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def bounds(question: Scale) -> tuple[float, float]:
    """The least and the greatest that its score can be."""
    how = measured(question)
    if how == "nps":
        return -100, 100
    return (0, 100) if how == "share" else (question.lowest, question.highest)


def chart(question: Scale, points: Sequence[tuple[int, Estimate]]) -> Chart:
    """The trend of (wave, score); a wave without answers is a gap, not a zero."""
    low, high = bounds(question)

    def down(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    room = (WIDTH - LEFT - RIGHT) / max(1, len(points))
    every = -(-len(points) // MOST_LABELS)
    dots: list[Dot] = []
    parts: list[list[str]] = [[]]
    for at, (wave, found) in enumerate(points):
        if found.value is None or found.low is None or found.high is None:
            parts.append([])
            continue
        x = round(LEFT + room * (at + 0.5), 1)
        label = "" if at % every else str(wave)
        dots.append(Dot(x, down(found.value), down(found.low), down(found.high), label))
        parts[-1].append(f"{x},{dots[-1].y}")
    step = (high - low) / LINES
    grid = [(down(low + step * at), f"{low + step * at:g}") for at in range(LINES + 1)]
    return Chart(dots, [" ".join(part) for part in parts if len(part) > 1], grid)
