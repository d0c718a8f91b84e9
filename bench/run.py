#!/usr/bin/env python3
"""Runs the benchmarks of a build and reports them as Markdown.

    ./dev bench                          builds and measures all
    ./dev bench --quick                  a first look, under a minute on a quiet machine
    ./dev bench --json figures.json --update docs/performance.md

By hand: meson setup build --buildtype=release && ninja -C build && bench/run.py --build build
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays clean
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import figures as figures_module
import machine as machine_module
import report

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder (build)")
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("--only", metavar="TEXT", help="comparisons whose name and label have this in them: 'create', 'copy 512'")
    parser.add_argument("--rounds", type=int, help="rounds of each comparison")
    parser.add_argument("--patience", type=float, help="seconds to wait for a quiet machine, all comparisons together")
    parser.add_argument("--torch", metavar="PYTHON", default="/usr/bin/python3", help="interpreter that has PyTorch (/usr/bin/python3); empty: none")
    parser.add_argument("--json", type=pathlib.Path, help="write every round's figures here")
    parser.add_argument("--from", dest="source", type=pathlib.Path, help="measure nothing: tell what is in this --json file")
    parser.add_argument("--keep", type=pathlib.Path, help="a --json file of the same revision: each comparison is the quieter of the two")
    parser.add_argument("--update", type=pathlib.Path, action="append", default=[], help="fill the marked tables of this page")
    return parser.parse_args()


MATTERS = ("quick", "only", "rounds", "patience")  # to the figures


def shown_command(options: argparse.Namespace) -> list:
    shown = ["./dev", "bench"]
    for name in MATTERS:
        value = getattr(options, name)
        if value:
            shown += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return shown


def command_of(options: argparse.Namespace) -> list:
    program = options.build / "bench" / "shmalloc-bench"
    if not program.exists():
        sys.exit(f"run.py: no {program}: meson setup {options.build} --buildtype=release && ninja -C {options.build}")
    command = [str(program), "--load-probe", str(program.with_name("load_probe"))]
    command += ["--malloc-peer", str(program.with_name("malloc_peer"))]
    if options.torch and shutil.which(options.torch):
        command += ["--python", options.torch, "--torch-script", str(HERE / "anchors" / "torch_peer.py")]
        command += ["--python-script", str(HERE / "anchors" / "python_peer.py")]
    if options.quick:
        command.append("--quick")
    for name in ("only", "rounds", "patience"):
        value = getattr(options, name)
        if value is not None:
            command += [f"--{name}", str(value)]
    return command


def environment(build: pathlib.Path) -> dict:
    """Without a GPU the simulated driver stands for one, where it was built."""
    simulated = [str(each / "tests/simulator") for each in (build, ROOT / "build/gcc") if (each / "tests/simulator/libcuda.so.1").exists()]
    if not simulated or pathlib.Path("/dev/nvidiactl").exists():
        return dict(os.environ)
    path = ":".join([simulated[0], *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])
    return {"SHMALLOC_SIM_OPTIONS": "memory=4G", **os.environ, "LD_LIBRARY_PATH": path}


def with_kept(comparisons: list, machine: dict, kept: pathlib.Path) -> list:
    """Judged by the noise, never by the outcome."""
    earlier = json.loads(kept.read_text())
    if earlier["machine"]["revision"] != machine["revision"]:
        sys.exit(f"run.py: {kept} is of revision {earlier['machine']['revision']}, this is {machine['revision']}")
    chosen = {(each["name"], each["label"]): each for each in earlier["comparisons"]}
    for each in comparisons:
        key = each["name"], each["label"]
        if key not in chosen or figures_module.loudness(each) <= figures_module.loudness(chosen[key]):
            chosen[key] = each
    return list(chosen.values())


def measured(options: argparse.Namespace) -> tuple:
    machine = machine_module.describe(ROOT, options.build, options.torch, shown_command(options))
    run = subprocess.run(command_of(options), stdout=subprocess.PIPE, text=True, env=environment(options.build))
    machine["load after"] = machine_module.load()
    if run.returncode != 0:
        sys.exit(run.returncode)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    comparisons = [line for line in lines if "sides" in line]
    facts = [line for line in lines if "fact" in line]
    if not comparisons and not facts:
        sys.exit("run.py: nothing was measured")
    return machine, [line["note"] for line in lines if "note" in line], comparisons, facts


def main() -> int:
    options = arguments()
    for path in [*options.update, *([options.source] if options.source else [])]:
        if not path.exists():
            sys.exit(f"run.py: there is no {path}")  # now, not after all has been measured
    if options.source:
        told = json.loads(options.source.read_text())
        machine, notes, comparisons, facts = told["machine"], told["notes"], told["comparisons"], told.get("facts", [])
    else:
        machine, notes, comparisons, facts = measured(options)
    if options.keep and options.keep.exists():
        comparisons = with_kept(comparisons, machine, options.keep)
        notes = sorted({*notes, "each comparison is the quietest of several runs"})
    shares = sorted(each["others_share"] for each in comparisons) or [0]
    machine["CPU used by others meanwhile"] = f"{shares[len(shares) // 2]:.0%} of one, {shares[-1]:.0%} in the loudest comparison"
    blocks = report.blocks_of([figures_module.figures_of(each) for each in comparisons], facts, machine, notes)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "notes": notes, "comparisons": comparisons, "facts": facts}, indent=1) + "\n")
    for path in options.update:
        path.write_text(report.updated(path.read_text(), blocks))
    print(report.page(blocks))
    return 0


if __name__ == "__main__":
    sys.exit(main())
