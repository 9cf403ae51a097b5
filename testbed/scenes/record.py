#!/usr/bin/env python3
"""Keeps what WCA has measured and found in a scene, in the form that docs/snapshots.md describes.

    record.py RESULTS SNAPSHOTS

reads measured.prom.gz, found.prom.gz and truth.json, which inside.sh has left in the folder RESULTS, writes the snapshots to
SNAPSHOTS.jsonl.gz and prints one line of JSON: the truth, and each pair of victim and culprit that was named, with how often.
"""

import gzip
import json
import pathlib
import re
import sys

SERIES = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)\{(.*)\} (\S+) (\d+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
# What is no label of the task.
NODE = {"host", "task_id", "task_name"}
UNITS = {
    "task_cpu_usage_seconds": "seconds",
    "task_llc_occupancy_bytes": "bytes",
    "task_mem_bandwidth_bytes": "bytes",
}


def samples(path):
    """Name, labels, value and time of storing of each line."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            found = SERIES.match(line)
            if found:
                name, labels, value, stored = found.groups()
                yield name, dict(LABEL.findall(labels)), float(value), int(stored)


def kinds(path):
    """Name and kind of each metric."""
    with gzip.open(path, "rt") as lines:
        return dict(line.split()[2:4] for line in lines if line.startswith("# TYPE "))


def number(value):
    """As short as it can be read back, without a fraction where it has none."""
    return int(value) if value.is_integer() else value


def snapshots(path):
    """The header, and one record per tick."""
    types = kinds(path)
    metrics = [
        {"name": name, "kind": types[name], "unit": UNITS.get(name, "numeric")}
        for name in sorted(types)
        if name != "task_last_seen"
    ]
    yield {"snapshots": 1, "metrics": metrics}
    ticks = {}
    for name, labels, value, stored in samples(path):
        ticks.setdefault(stored, []).append((name, labels, value))
    known = None
    for _, measured in sorted(ticks.items()):
        rows = {}
        for _, labels, _ in measured:
            rows.setdefault(labels["task_id"], labels)
        record = {"timestamp": next(value for name, _, value in measured if name == "task_last_seen")}
        tasks = [
            {"id": task, "name": labels["task_name"], "labels": {k: v for k, v in sorted(labels.items()) if k not in NODE}}
            for task, labels in sorted(rows.items())
        ]
        if tasks != known:
            record["tasks"] = known = tasks
        places = {task["id"]: at for at, task in enumerate(tasks)}
        columns = {metric["name"]: [None] * len(tasks) for metric in metrics}
        for name, labels, value in measured:
            if name in columns:
                columns[name][places[labels["task_id"]]] = number(value)
        record["values"] = columns
        yield record


def named(path):
    """How often each victim and culprit were named together, and for what."""
    pairs = {}
    for name, labels, _, _ in samples(path):
        if name == "anomaly":
            pair = (labels["contended_task_id"], labels["contending_task_id"], labels["resource"])
            pairs[pair] = pairs.get(pair, 0) + 1
    return [[*pair, count] for pair, count in sorted(pairs.items())]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    results, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2] + ".jsonl.gz")
    text = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in snapshots(results / "measured.prom.gz"))
    with open(target, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text.encode())
    truth = json.loads((results / "truth.json").read_text())
    print(json.dumps({**truth, "named": named(results / "found.prom.gz")}))


if __name__ == "__main__":
    main()
