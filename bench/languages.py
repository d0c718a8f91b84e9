#!/usr/bin/env python3
"""What a call costs from each language, beside the C call: the programs `peer` do each operation in a loop of their own, in turns.

    bench/languages.py --build build/bench --peers build/gcc --update docs/performance.md
"""

import argparse
import pathlib
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean
ROOT = pathlib.Path(__file__).resolve().parent.parent
for folder in ("bench", "bindings", "tests/matrix"):
    sys.path.insert(0, str(ROOT / folder))

import peers
import programs
import report
from figures import Spread

OPERATIONS = {
    "version": "an empty call",
    "create": "make a storage of 4 KiB and release it",
    "view": "write a byte through a new view",
    "import": "open a handle of bytes and release it",
    "send": "send a storage through a channel, receive and release it, all in one process",
}
TURN_NS = 2_000_000
ROUNDS = 25


def turn(peer: peers.Peer, operation: str, times: int) -> float:
    """Nanoseconds of one operation, on average of a turn."""
    return int(peer.ask("time", operation, times)) / times


def times_for(peer: peers.Peer, operation: str) -> int:
    """How many make a turn; what is compiled or learnt at first use has been by then."""
    times = 1
    while True:
        took = turn(peer, operation, times) * times
        if took > TURN_NS / 4:
            return max(1, round(times * TURN_NS / took))
        times *= 4


def rows_of(operation: str, everyone: dict, rounds: int) -> list:
    """Rows of the table: rounds A B C, C B A, .., so that whatever changes on the machine meets all of them."""
    counts = {language: times_for(peer, operation) for language, peer in everyone.items()}
    found = {language: [] for language in everyone}
    for round_number in range(rounds):
        order = list(everyone)[:: 1 if round_number % 2 == 0 else -1]
        for language in order:
            found[language].append(turn(everyone[language], operation, counts[language]))
    rows = []
    for language, values in found.items():
        ratio = "" if language == "C" else report.ratio_text(Spread.of([value / c for value, c in zip(values, found["C"])]))
        rows.append(f"| {operation if language == 'C' else ''} | {language} | {report.time_text(Spread.of(values))} | {ratio} |")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "bench", help="build folder of the library that is measured")
    parser.add_argument("--peers", type=pathlib.Path, default=ROOT / "build" / "gcc", help="build folder of the programs")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--update", type=pathlib.Path, action="append", default=[], help="fill the marked table of this page")
    options = parser.parse_args()
    commands, missing = programs.commands("peer", options.peers, rust="release")
    if missing:
        print(f"left out, not built or not installed: {', '.join(missing)}", file=sys.stderr)
    environment = programs.environment(options.peers)
    library = options.build.resolve() / "src"
    environment.update(LD_LIBRARY_PATH=str(library), SHMALLOC_LIBRARY=str(library / "libshmalloc.so.0.1"))
    commands = {language: ["taskset", "-c", "0", *words] for language, words in commands.items()}
    everyone, _ = peers.start_all(commands, environment)
    lines = ["| | language | min / median / max | ÷ C: min / median / max |", "| --- | --- | --- | --- |"]
    for operation in OPERATIONS:
        lines += rows_of(operation, everyone, options.rounds)
    for peer in everyone.values():
        peer.quit()
    told = "; ".join(f"{name}: {what}" for name, what in OPERATIONS.items())
    table = "\n".join(lines) + f"\n\n{told}. Rounds: {options.rounds}; {time.strftime('%Y-%m-%d', time.gmtime())}."
    for path in options.update:
        path.write_text(report.updated(path.read_text(), {"languages": table}))
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
