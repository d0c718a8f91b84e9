"""The machine and the build that figures belong to."""

import datetime
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
from typing import List


def output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def first_line(path: str, key: str = "") -> str:
    try:
        lines = pathlib.Path(path).read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        if line.startswith(key):
            return line.split(":", 1)[1].strip() if key else line.strip()
    return ""


def load() -> str:
    return first_line("/proc/loadavg")


def build_text(build: pathlib.Path) -> str:
    wanted = ("buildtype", "optimization", "b_lto", "b_ndebug", "b_sanitize")
    try:
        options = {each["name"]: each["value"] for each in json.loads((build / "meson-info/intro-buildoptions.json").read_text())}
    except OSError:
        return "unknown"
    return ", ".join(f"{name}={options[name]}" for name in wanted if name in options)


MEASURED = ("src", "include", "bench", "meson.build")


def revision(root: pathlib.Path) -> str:
    """The last change of what is measured, not of the tests or pages beside it."""
    git = ("git", "-C", str(root))
    changed = output(*git, "status", "--porcelain", "--untracked-files=no", "--", *MEASURED)
    return output(*git, "log", "-1", "--format=%h %cs", "--", *MEASURED) + (", with changes" if changed else "")


def describe(root: pathlib.Path, build: pathlib.Path, torch_python: str, command: List[str]) -> dict:
    cpus = os.cpu_count()
    model = first_line("/proc/cpuinfo", "model name") or platform.machine()
    hypervisor = " under a hypervisor" if " hypervisor" in first_line("/proc/cpuinfo", "flags") else ""
    shmem = first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
    torch = output(torch_python, "-c", "import torch; print(torch.__version__)") if torch_python else ""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": f"`{shlex.join(command)}`",
        "revision": revision(root),
        "build": build_text(build),
        "compiler": output("c++", "--version").split("\n")[0],
        "CPU": f"{cpus} × {model}{hypervisor}",
        "memory": first_line("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "C library": " ".join(platform.libc_ver()),
        "huge pages for shared memory": shmem or "unknown",
        "PyTorch": f"{torch} of {torch_python}" if torch else "none",
        "Python": sys.version.split()[0],
        "load before": load(),
    }
