"""Markdown tables from figures, and a page that is brought up to date with them."""

import re
from typing import Dict, List

import goals
from figures import Figures, Row, Spread

HEAD = "| | side | min / median / max | ours ÷ side: min / median / max | goal | |\n| --- | --- | --- | --- | --- | --- |"


def significant(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times_text(values: List[float], unit_of: float) -> str:
    """All of them in the unit that suits one."""
    scale, unit = (1, "ns") if unit_of < 1e3 else (1e3, "µs") if unit_of < 1e6 else (1e6, "ms")
    return " / ".join(significant(value / scale) for value in values) + f" {unit}"


def time_text(spread: Spread) -> str:
    return times_text([spread.low, spread.middle, spread.high], spread.middle)


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


def amount_text(fact: dict) -> str:
    return f"{fact['value']:,.0f}" + (f" {fact['unit']}" if fact["unit"] else "")


def facts_table(facts: List[dict]) -> str:
    lines = ["| what | | goal | |", "| --- | --- | --- | --- |"]
    for fact in facts:
        goal = goals.fact_goal(fact["fact"])
        asked = f"{goal.text} ({goal.number})" if goal else ""
        verdict = "" if goal is None else "PASS" if goal.met(fact["value"]) else "**MISS**"
        lines.append(f"| {fact['fact']} | {amount_text(fact)} | {asked} | {verdict} |")
    return "\n".join(lines)


def missed_text(row: Row) -> str:
    asked = f"asked {goal_text(row)}"
    if row.ratio is None:
        return f"{times_text([row.spread.middle], row.spread.middle)}, {asked}"
    ratio = row.ratio.middle
    if row.goal.speed and ratio < 1:
        return f"{significant(1 / ratio)}× faster than {row.side}, {asked}"
    return f"{significant(ratio)}× {row.side}, {asked}"


def summary_block(figures: List[Figures], facts: List[dict]) -> str:
    """What is missed, a line for each comparison and fact; medians."""
    judged = [row.met for each in figures for row in each.rows if row.met is not None]
    missed_facts = []
    for fact in facts:
        goal = goals.fact_goal(fact["fact"])
        if goal is not None:
            judged.append(goal.met(fact["value"]))
            if not judged[-1]:
                missed_facts.append(f"- **MISS** {fact['fact']}: {amount_text(fact)}, asked {goal.text} ({goal.number})")
    lines = [f"{sum(judged)} of {len(judged)} held, {len(judged) - sum(judged)} missed:", ""]
    for each in figures:
        missed = [missed_text(row) for row in each.rows if row.met is False]
        if missed:
            lines.append(f"- **MISS** {each.name}, {each.label}{' (noisy)' if each.noise else ''}: {'; '.join(missed)}")
    return "\n".join(lines + missed_facts)


def blocks_of(figures: List[Figures], facts: List[dict], machine: dict, notes: List[str]) -> Dict[str, str]:
    blocks = {"machine": machine_block(machine, notes), "summary": summary_block(figures, facts)}
    if facts:
        blocks["facts"] = facts_table(facts)
    for name in goals.TITLES:
        mine = [each for each in figures if each.name == name]
        if mine:
            blocks[name] = table(mine)
    return blocks


def page(blocks: Dict[str, str]) -> str:
    parts = ["# Benchmarks", blocks["machine"]]
    parts += [f"## {heading(name)}\n\n{block}" for name, block in blocks.items() if name in goals.TITLES]
    if "facts" in blocks:
        parts.append(f"## {heading('facts')}\n\n{blocks['facts']}")
    return "\n\n".join(parts + [f"## Summary\n\n{blocks['summary']}"]) + "\n"


def heading(name: str) -> str:
    return goals.TITLES[name][0] if name in goals.TITLES else "Counted and weighed"


def updated(text: str, blocks: Dict[str, str]) -> str:
    """The text with each <!-- bench:NAME --> .. <!-- end --> filled anew; what was not measured stays, what has no place yet comes last."""

    def fill(match: "re.Match[str]") -> str:
        block = blocks.get(match[1])
        return match[0] if block is None else f"<!-- bench:{match[1]} -->\n{block}\n<!-- end -->"

    text = re.sub(r"<!-- bench:(\S+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)
    for name, block in blocks.items():
        if (name in goals.TITLES or name == "facts") and f"<!-- bench:{name} -->" not in text:
            text = f"{text.rstrip()}\n\n## {heading(name)}\n\n<!-- bench:{name} -->\n{block}\n<!-- end -->\n"
    return text
