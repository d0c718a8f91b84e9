"""What is asked of each comparison, and by which of its sides it is judged. Numbers: shmalloc's list of performance goals."""

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Goal:
    number: str  # in the list of goals; "-": no goal there, a yardstick of our own
    limit: float  # of the median of ours / anchor, or of our median in ns
    text: str
    speed: bool = False  # asked as "so many times faster"

    def met(self, value: float) -> bool:
        return value <= self.limit


def times(number: str, limit: float) -> Goal:
    return Goal(number, limit, f"≤ {limit:.2f}×")


def faster(number: str, factor: float) -> Goal:
    return Goal(number, 1 / factor, f"≥ {factor:,}× faster", True)


# By comparison and anchor: the ratio is judged.
RATIO = {
    "create": {
        "raw": times("1", 1.10),
        "raw reserved": times("1, like for like", 1.10),
        "torch fd": faster("1", 2.2),
        "torch file_system": faster("1", 5),
    },
    "create+fill": {
        "raw": times("-", 1.10),
        "raw reserved": times("-", 1.10),
        "torch fd": times("-", 1.10),
        "torch file_system": times("-", 1.10),
    },
    "share": {
        "raw": times("6", 1.10),
        "raw reserved": times("6, like for like", 1.10),
        "torch fd": faster("6", 5),
        "torch file_system": faster("6", 3),
    },
    "share+fill": {
        "raw": times("-", 1.10),
        "raw reserved": times("-", 1.10),
        "torch fd": times("-", 1.10),
        "torch file_system": times("-", 1.10),
    },
    "batch": {"raw mapped": times("-", 1.10)},
    "grow": {"raw ftruncate+fallocate": times("13, like for like", 1.10), "new file and copy": faster("13", 10_000)},
    "grow+fill": {"raw ftruncate": times("-", 1.10)},
    "copy": {"memcpy": times("-", 1.10)},
    "handle": {"raw": times("-", 1.10)},
}


def ratio_goal(name: str, anchor: str) -> Optional[Goal]:
    return RATIO.get(name, {}).get(anchor)


def own_goal(name: str, parameters: dict) -> Optional[Goal]:
    """What our own figure is held to."""
    if name == "batch" and parameters["storages"] >= 253:
        return Goal("7", 700, "≤ 0.7 µs")
    if name == "grow":
        return Goal("13", 5_000, "≤ 5 µs")
    if name == "load":
        return Goal("28", 300_000, "≤ 300 µs")
    return None


# What stands over each table, and what one figure is the time of.
TITLES = {
    "create": ("Goal 1: create, map, free", "operation"),
    "create+fill": ("Goal 1 as it is used: create, map, write every page, free", "operation"),
    "share": ("Goal 6: one storage from process to process by its descriptor", "round trip"),
    "share+fill": ("Goal 6 as it is used: every page written before it is sent", "round trip"),
    "batch": ("Goal 7: n storages in one message", "storage"),
    "handle": ("A handle of plain bytes: export and import", "operation"),
    "grow": ("Goal 13: one step of growing from 1 to 512 MiB", "step"),
    "grow+fill": ("Goal 13 as it is used: every new page written", "step"),
    "copy": ("Copy from storage to storage", "copy"),
    "load": ("Goal 28: load the library and make the first storage", "process"),
}
