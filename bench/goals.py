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


MALLOC = {"tcmalloc": times("2", 4.0)}

# By comparison and anchor: the ratio is judged.
RATIO = {
    "pool": {**MALLOC, "torch fd": faster("2", 1_500)},
    "pool+random": MALLOC,
    "pool+across": MALLOC,
    "pool+threads": {"ours, one thread": faster("2", 1.9)},
    "caching": {"tcmalloc, 32 KiB": times("17", 3.2)},
    "handover": {"bare ping-pong": times("3", 3.0), "torch fd": faster("3", 1_000), "raw fd": faster("3", 150)},
    "handover+again": {"bare ping-pong": times("8", 3.0)},
    "channel": {"bare ping-pong": times("3", 3.0)},
    "channel+asleep": {"bare futex": times("5", 1.05)},
    "resident": {
        "hugetlb": times("9", 1.08),
        "anonymous, huge pages": times("9, like for like", 1.08),
        "memfd": faster("9", 12),
    },
    "second": {"memfd": faster("10", 70)},
    "trim": {"memfd": faster("11", 50)},
    "move": {"torch fd": faster("12", 9)},
    "references": {"one shared counter": times("14", 1.20)},
    "attach": {"raw": times("15", 1.10), "raw, two objects": times("15, like for like", 1.10)},
    "many": {"100 live": times("-", 1.10)},
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
    if name == "pool":
        return Goal("2", 12, "≤ 12 ns")
    if name == "caching":
        return Goal("17", 10, "≤ 10 ns")
    if name == "caching+threads":
        return Goal("18", 11, "≤ 11 ns")
    if name == "caching+random":
        limit = 25 if parameters["live"] <= 10_000 else 40 if parameters["live"] <= 100_000 else 80
        return Goal("19", limit, f"≤ {limit} ns")
    if name == "caching+streams":
        return Goal("25", 50, "≤ 50 ns: 40 more than 17")
    if name == "stream":
        return Goal("4", 1e9 / 7e6, "≤ 143 ns: 7 million a second")
    if name == "second":
        return Goal("10", 1e6, "≤ 1 ms")
    if name == "trim":
        return Goal("11", 3.6e6, "≤ 3.6 ms")
    if name == "move":
        return Goal("12", 75e6, "≤ 75 ms")
    if name == "reclaim":
        return Goal("16", 1e6, "≤ 1 ms")
    if name == "grow":
        return Goal("13", 5_000, "≤ 5 µs")
    if name == "load":
        return Goal("28", 300_000, "≤ 300 µs")
    return None


# What is counted or weighed: by how the line begins.
FACTS = {
    "descriptors of 64 storages": Goal("15", 0, "0"),
    "private memory each of 100000": Goal("28", 64, "≤ 64 bytes, with the control"),
    "private memory each of 10000 ": Goal("28", 65.5, "≤ 0.1 %, with the control"),
    "event records of 10000 blocks": Goal("25", 10_000, "≤ 1 each"),
    "event queries of 10000 blocks": Goal("25", 10_000, "≤ 1 each"),
    "waits for the device of 10000 blocks": Goal("25", 0, "0"),
    "private memory of a thread": Goal("28", 65536, "≤ 64 KiB"),
}


def fact_goal(what: str) -> Optional[Goal]:
    return next((goal for begin, goal in FACTS.items() if what.startswith(begin)), None)


# What stands over each table, and what one figure is the time of.
TITLES = {
    "pool": ("Goal 2: a storage of a segment made and given back", "pair"),
    "pool+random": ("Goal 2: one of many live ones replaced by one of another size", "replacement"),
    "pool+threads": ("Goal 2: by two threads at once", "pair, of both threads' together"),
    "pool+across": ("Goal 2: made by one thread, given back by another", "storage"),
    "caching": ("Goal 17: memory of a device by address, allocated and given back", "pair"),
    "caching+threads": ("Goal 18: by two threads at once", "pair, of one thread"),
    "caching+random": ("Goal 19: one of many live blocks replaced by one of another size", "replacement"),
    "caching+streams": ("Goal 25: blocks that another stream used", "pair"),
    "handover": ("Goal 3: from process to process by a handle, both awake", "round trip"),
    "handover+again": ("Goal 8: the same storage again", "round trip"),
    "channel": ("Goal 3: from process to process by a channel, both awake", "round trip"),
    "stream": ("Goal 4: a stream of storages through a channel", "storage"),
    "channel+asleep": ("Goal 5: by a channel to a peer that is asleep", "round trip"),
    "resident": ("Goal 9: new memory, every page touched", "GiB"),
    "second": ("Goal 10: the second process's mapping, every page looked at", "GiB"),
    "trim": ("Goal 11: memory given back", "GiB"),
    "move": ("Goal 12: private memory made shareable", "GiB"),
    "references": ("Goal 14: one reference more and one less, by so many processes at once", "pair, of a CPU"),
    "attached": ("Goal 14: import and release of a storage that so many processes hold", "pair"),
    "attach": ("Goal 15: a segment opened and let go", "operation"),
    "reclaim": ("Goal 16: memory of the dead", "reclaim"),
    "many": ("What a storage costs among many", "operation"),
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
