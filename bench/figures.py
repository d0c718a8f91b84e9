"""Figures of one comparison: minimum, median and maximum of each side, and of ours / anchor round by round."""

from dataclasses import dataclass
from statistics import median
from typing import List, Optional

import goals

LOUD_SHARE = 0.15  # of a CPU used by others: the figures are then not to be trusted
UNSTEADY = 2.0  # maximum / median of the bare wake-up


@dataclass(frozen=True)
class Spread:
    low: float
    middle: float
    high: float

    @staticmethod
    def of(values: List[Optional[float]]) -> "Spread":
        """Of those rounds that the side took part in."""
        values = [value for value in values if value is not None]
        return Spread(min(values), median(values), max(values))


@dataclass(frozen=True)
class Row:
    side: str
    spread: Spread
    ratio: Optional[Spread]
    goal: Optional[goals.Goal]
    met: Optional[bool]


@dataclass(frozen=True)
class Figures:
    name: str
    label: str
    parameters: dict
    rounds: int
    noise: str  # empty: quiet
    rows: List[Row]


def loudness(comparison: dict) -> tuple:
    """Whether it is noisy at all, and how much others did meanwhile."""
    return bool(noise_of(comparison)), comparison["others_share"] + comparison["stolen_share"]


def noise_of(comparison: dict) -> str:
    reasons = []
    if comparison["others_share"] > LOUD_SHARE:
        reasons.append(f"others used {comparison['others_share']:.0%} of a CPU")
    for side in comparison["sides"]:
        if side["name"] == "wake-up alone":
            spread = Spread.of(side["ns"])
            if spread.high > UNSTEADY * spread.middle:
                reasons.append("the bare wake-up was unsteady")
    return "; ".join(reasons)


def figures_of(comparison: dict) -> Figures:
    ours = comparison["sides"][0]["ns"]
    rows = []
    for side in comparison["sides"]:
        spread = Spread.of(side["ns"])
        if side["name"] == comparison["sides"][0]["name"]:
            ratio, goal = None, goals.own_goal(comparison["name"], comparison["parameters"])
            judged = spread.middle
        else:
            ratio = Spread.of([mine / theirs for mine, theirs in zip(ours, side["ns"]) if mine is not None and theirs is not None])
            goal = goals.ratio_goal(comparison["name"], side["name"])
            judged = ratio.middle
        rows.append(Row(side["name"], spread, ratio, goal, goal.met(judged) if goal else None))
    return Figures(comparison["name"], comparison["label"], comparison["parameters"], len(ours), noise_of(comparison), rows)
