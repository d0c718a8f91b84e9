#!/usr/bin/env python3
"""Counts the system calls of one operation, ours beside the bare sequence, with strace. Both processes of a pair are counted.

    bench/syscalls.py --build build --update docs/performance.md
"""

import argparse
import collections
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays clean
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import report

ROOT = pathlib.Path(__file__).resolve().parent.parent
FEW, MANY = 20, 120  # the difference leaves out what happens once

# Comparison, and the sides of it that are counted.
LOOKS = [
    ("create 4 KiB", ("ours", "raw", "raw reserved", "raw sealed")),
    ("share 4 KiB, two CPUs", ("ours", "raw", "raw reserved")),
    ("batch 253, two CPUs", ("ours", "raw mapped", "raw unmapped")),
    ("handle one process", ("ours", "raw", "export alone", "import alone")),
    ("pool 32 KiB", ("ours",)),
    ("handover 4 KiB", ("ours", "raw fd")),
    ("handover+again 4 KiB", ("ours",)),
    ("channel 4 KiB", ("ours",)),
    ("stream 4 KiB", ("ours",)),
    ("channel+asleep two CPUs", ("ours", "bare futex")),
    ("attach one segment", ("ours", "raw", "raw, two objects")),
    ("copy 256 KiB, sealed", ("ours", "memcpy")),
    ("copy 256 KiB, shm object", ("ours", "memcpy")),
]


def calls(program: pathlib.Path, only: str, side: str, times: int) -> collections.Counter:
    command = [str(program), "--only", only, "--side", side, "--times", str(times)]
    traced = subprocess.run(["strace", "-f", "-qq", "-e", "signal=none", "-o", "/dev/stdout", *command], capture_output=True, text=True)
    return collections.Counter(re.findall(r"^\d+ +(\w+)\(", traced.stdout, flags=re.MULTILINE))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder (build)")
    parser.add_argument("--update", type=pathlib.Path, action="append", default=[], help="fill the marked table of this page")
    options = parser.parse_args()
    program = options.build / "bench" / "shmalloc-bench"
    if not program.exists() or not shutil.which("strace"):
        sys.exit(f"syscalls.py: needs strace and {program}")
    lines = ["| | side | calls | which |", "| --- | --- | --- | --- |"]
    for only, sides in LOOKS:
        for side in sides:
            more = calls(program, only, side, MANY)
            more.subtract(calls(program, only, side, FEW))
            each = {name: count / (MANY - FEW) for name, count in more.items() if count >= (MANY - FEW) / 2}
            ordered = sorted(each.items(), key=lambda item: (-item[1], item[0]))
            text = ", ".join(name if count == 1 else f"{count:.4g} {name}" for name, count in ordered)
            lines.append(f"| {only if side == sides[0] else ''} | {side} | {sum(each.values()):.4g} | {text} |")
    table = "\n".join(lines)
    for path in options.update:
        path.write_text(report.updated(path.read_text(), {"syscalls": table}))
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
