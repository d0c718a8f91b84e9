"""Markdown tables from figures, and a page that is brought up to date with them."""

import re
from typing import Dict, List

import goals
from figures import Figures, Row, Spread

HEAD = "| | side | min / median / max | ours ÷ side: min / median / max | goal | |\n| --- | --- | --- | --- | --- | --- |"


def significant(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def time_text(spread: Spread) -> str:
    """All three in the unit of the median."""
    scale, unit = (1, "ns") if spread.middle < 1e3 else (1e3, "µs") if spread.middle < 1e6 else (1e6, "ms")
    return " / ".join(significant(value / scale) for value in (spread.low, spread.middle, spread.high)) + f" {unit}"


def ratio_text(spread: Spread) -> str:
    def one(value: float) -> str:
        return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 0.095 else f"{value:.2g}"

    return " / ".join(one(value) for value in (spread.low, spread.middle, spread.high))


def verdict_text(row: Row, noise: str) -> str:
    if row.met is None:
        return ""
    return ("PASS" if row.met else "**MISS**") + (" (noisy)" if noise else "")


def goal_text(row: Row) -> str:
    if row.goal is None:
        return ""
    return row.goal.text + (" (own yardstick)" if row.goal.number == "-" else f" ({row.goal.number})")


def table(figures: List[Figures]) -> str:
    lines = [HEAD]
    for each in figures:
        for index, row in enumerate(each.rows):
            label = f"{each.label}" if index == 0 else ""
            figure = time_text(row.spread)
            if each.name == "copy":
                figure += f" ({each.parameters['bytes'] / row.spread.middle:.1f} GB/s)"
            ratio = ratio_text(row.ratio) if row.ratio else ""
            lines.append(f"| {label} | {row.side} | {figure} | {ratio} | {goal_text(row)} | {verdict_text(row, each.noise)} |")
    rounds = sorted({each.rounds for each in figures})
    lines.append("")
    lines.append(f"Time of one {goals.TITLES[figures[0].name][1]}; rounds: {', '.join(map(str, rounds))}.")
    for each in figures:
        if each.noise:
            lines.append(f"Noisy: {each.label}: {each.noise}.")
    return "\n".join(lines)


def machine_block(machine: dict, notes: List[str]) -> str:
    lines = [f"- {key}: {value}" for key, value in machine.items()]
    return "\n".join(lines + [f"- note: {note}" for note in notes])


def summary_block(figures: List[Figures]) -> str:
    """The judged rows alone, the misses first."""
    judged = [(each, row) for each in figures for row in each.rows if row.met is not None]
    missed = [(each, row) for each, row in judged if not row.met]
    lines = [f"{len(judged) - len(missed)} of {len(judged)} held, {len(missed)} missed.", ""]
    for each, row in missed:
        value = f"{row.ratio.middle:.4g}× {row.side}" if row.ratio else time_text(row.spread)
        lines.append(f"- **MISS** {each.name} {each.label}: {value}, asked {row.goal.text} ({row.goal.number})")
    return "\n".join(lines)


def blocks_of(figures: List[Figures], machine: dict, notes: List[str]) -> Dict[str, str]:
    blocks = {"machine": machine_block(machine, notes), "summary": summary_block(figures)}
    for name in goals.TITLES:
        mine = [each for each in figures if each.name == name]
        if mine:
            blocks[name] = table(mine)
    return blocks


def page(blocks: Dict[str, str]) -> str:
    parts = ["# Benchmarks", blocks["machine"]]
    parts += [f"## {goals.TITLES[name][0]}\n\n{block}" for name, block in blocks.items() if name in goals.TITLES]
    return "\n\n".join(parts + [f"## Summary\n\n{blocks['summary']}"]) + "\n"


def updated(text: str, blocks: Dict[str, str]) -> str:
    """The text with each <!-- bench:NAME --> .. <!-- end --> filled anew; what was not measured stays."""

    def fill(match: "re.Match[str]") -> str:
        block = blocks.get(match[1])
        return match[0] if block is None else f"<!-- bench:{match[1]} -->\n{block}\n<!-- end -->"

    return re.sub(r"<!-- bench:(\S+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)
