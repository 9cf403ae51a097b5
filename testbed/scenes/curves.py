#!/usr/bin/env python3
"""Writes what a scene's detector has seen as a table for testbed/plot.

    curves.py RESULTS OUT.csv COMMAND

reads what inside.sh has left in the folder RESULTS, of a scene with an antagonist; COMMAND is what made it.
"""

import json
import pathlib
import sys

from record import samples


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    results, out, command = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    truth = json.loads((results / "truth.json").read_text())
    victim, culprit = truth["hurt"][0], truth["antagonist"]
    rows, named, used = {}, [], {}
    for name, labels, value, stored in samples(results / "found.prom.gz"):
        row = rows.setdefault(stored, {})
        if name == "cpi_detector_value" and labels["task_id"] == victim:
            row["victim"] = value
        elif name == "cpi_detector_violations" and labels["task_id"] == victim:
            row["violations"] = value
        elif name in ("cpi_detector_group_median", "cpi_detector_group_threshold") and labels.get("application") == "service":
            row[name.rpartition("_")[2]] = value
        elif name == "anomaly" and labels["contended_task_id"] == victim:
            named.append((stored, labels["contending_task_id"]))
    usages = []
    for name, labels, value, stored in samples(results / "measured.prom.gz"):
        if name == "task_cpu_usage_seconds":
            task = labels["task_id"]
            before = used.get(task)
            used[task] = (value, stored)
            if task != victim and not labels["application"] == "service":
                short = task.rpartition("/")[2]
                if short not in usages:
                    usages.append(short)
                if before:
                    # Each second storage has its own moment of storing: the nearest tick of the other counts.
                    nearest = min(rows, key=lambda at: abs(at - stored))
                    rows[nearest][short] = (value - before[0]) / (stored - before[1]) * 1000
    start = min(rows)
    columns = ["victim", "median", "threshold", "violations", *usages]
    metrics = {"victim": "cpi_detector_value", "violations": "cpi_detector_violations"}
    head = [
        f"title: {victim.rpartition('/')[2]} is slowed down by {culprit.rpartition('/')[2]} (seed {truth['seed']})",
        f"command: {command}",
        *(f"source: {column}: {metrics.get(column, 'cpi_detector_group_' + column)}" for column in columns[:4]),
        *(f"source: {column}: task_cpu_usage_seconds of wca/{column}, per second" for column in usages),
        "panel: cycles per instruction: victim, median, threshold",
        "panel: violations: violations",
        f"panel: cores: {', '.join(usages)}",
        "steps: violations",
    ]
    if named:
        first, who = named[0]
        head.append(f"event: {(first - start) / 1000:.2f}: {who.rpartition('/')[2]} is named")
    lines = ["# " + line for line in head] + ["seconds," + ",".join(columns)]
    for stored, row in sorted(rows.items()):
        fields = [format(row[column], ".4g") if column in row else "" for column in columns]
        lines.append(f"{(stored - start) / 1000:.2f}," + ",".join(fields))
    out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
