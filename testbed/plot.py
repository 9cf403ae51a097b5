"""Draws what a run has measured: a CSV file becomes an SVG file. Run by `plot`, which brings matplotlib.

The file begins with lines that say what it is, then comes the table, whose first column is the horizontal axis:

    # title: what the picture shows
    # command: what made this file (any number)
    # source: COLUMN: the file or metric that the column was read from (one for each column besides the first)
    # panel: label of the axis: COLUMN, COLUMN (one picture above another, in this order)
    # steps: COLUMN, COLUMN (these hold until the next value; all others are joined by lines)
    # event: X: text (a vertical line, any number)
    seconds,waited,target
    0,0.31,0.05

An empty field is a gap. A column that never changes is a dashed line. A column without a source is refused, and so is the
pressure of the whole machine: on a machine that others use too it says nothing about the tasks of the run.
"""

import csv
import math
import re
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

# The same data make the same bytes, and text stays text.
matplotlib.rcParams.update({"svg.hashsalt": "wca", "svg.fonttype": "none", "font.size": 9})

# Where a kernel or WCA says what the whole machine waited for: psi.rst, and cgroup-v2.rst on the root cgroup.
MACHINE_WIDE = re.compile(
    r"/proc/pressure|platform_pressure|(^|[\s:=])(/sys/fs/cgroup(/unified)?/)?(cpu|memory|io|irq)\.pressure($|[\s,;])"
)
KEYS = ("title", "command", "source", "panel", "steps", "event")


class Wrong(Exception):
    """What is wrong with the data, where, and what would be right."""


def parted(line, text, what):
    head, colon, rest = text.partition(": ")
    if not colon:
        raise Wrong(f"line {line}: `{text}`: {what}")
    return head.strip(), rest.strip()


def read(path):
    """The head as {key: [(line, text)]}, the names of the columns, and the columns as lists of floats."""
    head = {key: [] for key in KEYS}
    table = []
    with open(path, newline="", encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith("#"):
                key, text = parted(number, line[1:].strip(), f"a line of the head is `# KEY: …`, KEY one of {', '.join(KEYS)}")
                if key not in head:
                    raise Wrong(f"line {number}: `{key}` is none of {', '.join(KEYS)}")
                head[key].append((number, text))
            elif line.strip():
                table.append((number, next(csv.reader([line]))))
    if len(table) < 3:
        raise Wrong("the table wants a line of names and two lines of values at least")
    names = table[0][1]
    columns = {name: [] for name in names}
    for number, row in table[1:]:
        if len(row) != len(names):
            raise Wrong(f"line {number}: {len(row)} fields, the first line of the table has {len(names)}")
        for name, field in zip(names, row):
            try:
                columns[name].append(float(field) if field else math.nan)
            except ValueError:
                raise Wrong(f"line {number}, column {name}: `{field}` is no number; leave a gap empty") from None
    return head, names, columns


def check_sources(head, names):
    sources = {}
    for line, text in head["source"]:
        name, source = parted(line, text, "a source is `COLUMN: file or metric`")
        if name not in names:
            raise Wrong(f"line {line}: no column `{name}`; there are {', '.join(names)}")
        if MACHINE_WIDE.search(source):
            raise Wrong(
                f"line {line}: column {name} comes from `{source}`, the pressure of the whole machine, which others cause too: "
                "take that of the task's cgroup (/sys/fs/cgroup/…/TASK/cpu.pressure, task_pressure_seconds)"
            )
        sources[name] = source
    for name in names[1:]:
        if name not in sources:
            raise Wrong(f"column {name} has no `# source: {name}: …`: say which file or metric it was read from")


def listed(line, text, names):
    wanted = [name.strip() for name in text.split(",")]
    for name in wanted:
        if name not in names:
            raise Wrong(f"line {line}: no column `{name}`; there are {', '.join(names)}")
    return wanted


def draw(path, out):
    head, names, columns = read(path)
    check_sources(head, names)
    panels = []
    for line, text in head["panel"]:
        label, rest = parted(line, text, "a panel is `label of the axis: COLUMN, COLUMN`")
        panels.append((label, listed(line, rest, names)))
    if not panels:
        raise Wrong("no `# panel: label of the axis: COLUMN, COLUMN`")
    steps = {name for line, text in head["steps"] for name in listed(line, text, names)}
    x = columns[names[0]]

    figure, axes = plt.subplots(len(panels), 1, sharex=True, squeeze=False, figsize=(8, 0.9 + 1.8 * len(panels)), layout="constrained")
    axes = axes[:, 0]
    for axis, (label, shown) in zip(axes, panels):
        for name in shown:
            known = {value for value in columns[name] if not math.isnan(value)}
            style = "--" if len(known) == 1 else "-"
            axis.plot(x, columns[name], style, label=name, linewidth=1.3, drawstyle="steps-post" if name in steps else "default")
        axis.set_ylabel(label)
        axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
        axis.grid(alpha=0.3)
    for line, text in head["event"]:
        at, what = parted(line, text, "an event is `X: text`")
        try:
            at = float(at)
        except ValueError:
            raise Wrong(f"line {line}: `{at}` is no number: an event is `X: text`") from None
        for axis in axes:
            axis.axvline(at, color="grey", linewidth=0.8, linestyle=":")
        axes[0].annotate(what, (at, 1), xycoords=("data", "axes fraction"), xytext=(2, -9), textcoords="offset points", color="grey")
    for axis in axes:
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axes[-1].set_xlabel(names[0])
    for _, title in head["title"]:
        figure.suptitle(title)
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})


def main():
    if len(sys.argv) != 3:
        sys.exit("plot: two arguments, DATA.csv and OUT.svg")
    try:
        draw(sys.argv[1], sys.argv[2])
    except Wrong as wrong:
        sys.exit(f"plot: {sys.argv[1]}: {wrong}")
    except OSError as error:
        sys.exit(f"plot: {error}")


if __name__ == "__main__":
    main()
