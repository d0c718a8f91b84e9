#!/usr/bin/env python3
"""Every mistake that the caching allocator's sources can be told to make has a test that finds it (meson.build), and stands in mutant.hpp.

With the folder of a build, makes each mistake in turn and sees its test fail: find_waits.py TESTS SOURCES BUILD.
"""

import pathlib
import re
import subprocess
import sys


def mistakes_in(sources):
    """The numbers, with the places where they stand."""
    found = {}
    for path in sorted(sources.glob("*.[ch]pp")):
        for line, text in enumerate(path.read_text().splitlines(), 1):
            for number in re.findall(r"\b(?:mutant|wait_for_device)\((\d+)\)", text):
                found.setdefault(int(number), []).append(f"{path.name}:{line}")
    return found


def tests_in(text):
    """The numbers, with the program and the name of the test that finds each."""
    found = {}
    for program, mistakes in re.findall(r"^      '(\w+)': \{([^}]*)\}", text, re.MULTILINE):
        for name, number in re.findall(r"'(\w+)': (\d+)", mistakes):
            found[int(number)] = (program, name)
    return found


def main():
    tests, sources = (pathlib.Path(argument) for argument in sys.argv[1:3])
    made = mistakes_in(sources)
    found = tests_in((tests / "meson.build").read_text())
    told = {int(number) for number in re.findall(r"\b\d+\b", (sources / "mutant.hpp").read_text().split("#pragma once")[0])}
    wrong = [f"{number} ({', '.join(places)}) has no test" for number, places in made.items() if number not in found]
    wrong += [f"{number} ({', '.join(places)}) is not told of in mutant.hpp" for number, places in made.items() if number not in told]
    wrong += [f"{number} has a test, and is made nowhere" for number in sorted((set(found) | told) - set(made))]
    for number, (program, name) in sorted(found.items() if len(sys.argv) > 3 else []):
        finder = pathlib.Path(sys.argv[3]) / "tests/caching" / f"caching_mutants_{program}"
        try:
            ended = subprocess.run([finder], env={"SHMALLOC_MUTANT": str(number)}, capture_output=True, timeout=120, check=False)
            print(number, name, "is found" if ended.returncode != 0 else "IS NOT FOUND")
            if ended.returncode == 0:
                wrong.append(f"{number} ({name}) is not found by {program}")
        except subprocess.TimeoutExpired:
            wrong.append(f"{number} ({name}): {program} does not end")
    for line in wrong:
        print(line)
    print(f"{len(made)} mistakes, {len(wrong)} wrong")
    return 1 if wrong or len(made) < 30 else 0


if __name__ == "__main__":
    sys.exit(main())
