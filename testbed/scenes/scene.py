#!/usr/bin/env python3
"""Makes a scene for the detector of interference: who runs on an emulated machine, what each of them does when, and who is
guilty.

    scene.py SEED FOLDER

writes to FOLDER
- tasks: a line per task, NAME SOCKET;
- schedule: a line per change, STEP NAME QUOTA BANDWIDTH DEMAND, where QUOTA is microseconds of processor time per 25 ms,
  BANDWIDTH what the task's class of service is kept from (the machine model retires 100 - BANDWIDTH percent of its
  instructions), DEMAND the value of the model's register for memory traffic and working set, and - leaves a thing as it is;
- config.yaml: the configuration of WCA;
- truth.json: the seed, the kind of the scene, the antagonist, and whom it hurts.

A step is a quarter of a second and stands for a minute of the paper's: 1/240 of its times. The same seed makes the same scene.
"""

import json
import pathlib
import random
import sys

STEP = 0.25
STEPS = 130
# Steps at the begin in which nobody does harm: the history of the groups begins.
LEARNING = 20
PERIOD = 25_000

# Demand of a task that is no antagonist: MB/s on each processor, and working set in KiB.
MODEST = (400, 2048)
# Of victims; where they lose cache, their working set is what is left.
VICTIM = (1500, 6144)
SQUEEZED = (1500, 2048)
# Of antagonists.
STREAMING = (9000, 12288)

KINDS = {3: "phases", 8: "quiet"}

SETTINGS = "".join(
    "    " + line for line in pathlib.Path(__file__).with_name("detector.yaml").read_text().splitlines(keepends=True)
)


def demand(rate, kib):
    """Register of the machine model: MB/s, 80 percent of it local, working set."""
    return rate | 80 << 32 | kib << 40


class Scene:
    """Random choices, and what follows from them at each step."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.seed = seed
        self.kind = KINDS.get(seed % 10, "antagonist")
        self.socket = {}
        self.labels = {}
        self.usage = {}
        self.factor = {}
        self.demand = {}
        self.antagonist = None
        self.hurt = []
        self.resource = None
        self.severity = 1.0
        self.active = [0.0] * STEPS
        self.phases = {}
        self.place()

    def uniform(self, low, high):
        return low + (high - low) * self.random.random()

    def between(self, low, high):
        return low + int(self.random.random() * (high - low + 1))

    def noise(self):
        """Roughly normal, of deviation 1. `Random.random` alone gives the same numbers in every version of Python."""
        return sum(self.random.random() for _ in range(12)) - 6

    def chance(self, part):
        return self.random.random() < part

    def bursts(self, on, off, first=0):
        """1 where it is on, by steps; on and off last between two numbers of steps."""
        pattern = [0] * STEPS
        at = first + self.between(0, off[1])
        while at < STEPS:
            length = self.between(*on)
            for step in range(at, min(at + length, STEPS)):
                pattern[step] = 1
            at += length + self.between(*off)
        return pattern

    def add(self, name, socket, labels):
        self.socket[name] = socket
        self.labels[name] = labels
        self.usage[name] = [0.0] * STEPS
        self.factor[name] = [1.0] * STEPS
        self.demand[name] = [MODEST] * STEPS

    def place(self):
        service = {"application": "service", "application_version_name": "1.4"}
        victims = [f"victim{number}" for number in range(self.between(3, 4))]
        for number, name in enumerate(victims):
            self.add(name, number % 2, service)
        if self.kind == "antagonist":
            self.add_antagonist(victims)
        for name in victims:
            self.add_victim(name)
        for number in range(self.between(3, 4)):
            self.add_innocent(f"innocent{number}", number % 2)

    def add_antagonist(self, victims):
        socket = self.between(0, 1)
        self.antagonist = "antagonist"
        self.add("antagonist", socket, {"application": "batch", "application_version_name": "7"})
        self.resource = "cache" if self.chance(0.5) else "memory bandwidth"
        self.severity = self.uniform(1.8, 3.5)
        # How active it is at each step, of 1.
        pattern = self.bursts((5, 12), (6, 14), LEARNING)
        level = self.uniform(0.4, 0.6)
        for step in range(STEPS):
            self.active[step] = pattern[step] * self.uniform(0.9, 1.0)
            self.usage["antagonist"][step] = max(self.active[step] * level, 0.02)
            if pattern[step]:
                self.demand["antagonist"][step] = STREAMING
        self.hurt = [name for name in victims if self.socket[name] == socket]

    def add_victim(self, name):
        base = self.uniform(1.08, 1.25)
        load = self.uniform(0.28, 0.34)
        noise = self.uniform(0.02, 0.05)
        if self.kind == "phases":
            self.phases[name] = self.bursts((3, 8), (10, 25), LEARNING)
        phase = self.uniform(1.6, 2.5)
        for step in range(STEPS):
            factor = base * (1 + noise * self.noise())
            if self.phases.get(name, [0] * STEPS)[step]:
                factor *= phase
            if name in self.hurt and self.active[step] > 0:
                factor *= 1 + (self.severity - 1) * self.active[step]
                if self.resource == "cache":
                    self.demand[name][step] = SQUEEZED
            if self.demand[name][step] == MODEST:
                self.demand[name][step] = VICTIM
            self.factor[name][step] = max(factor, 1.0)
            # The same work takes longer, as far as there are processors.
            self.usage[name][step] = min(load * (factor / base) ** 0.5, 0.5) * self.uniform(0.95, 1.05)

    def add_innocent(self, name, socket):
        self.add(name, socket, {"application": name, "application_version_name": "1"})
        habit = ("steady", "bursts", "decoy")[self.between(0, 2)]
        level = self.uniform(0.27, 0.45)
        pattern = self.bursts((4, 12), (5, 15))
        for step in range(STEPS):
            on = 1 if habit == "steady" else pattern[step]
            if habit == "decoy" and self.active[step] > 0:
                # Busy at the same times more often than not.
                on = 1 if self.chance(0.6) else on
            self.usage[name][step] = max(on * level * self.uniform(0.85, 1.15), 0.03)

    def schedule(self):
        """Lines of what changes at each step."""
        last = {}
        for step in range(STEPS):
            for name in self.socket:
                quota = max(int(self.usage[name][step] * PERIOD), 1000)
                bandwidth = min(max(round(100 * (1 - 1 / self.factor[name][step])), 0), 90)
                now = (quota, bandwidth, demand(*self.demand[name][step]))
                before = last.get(name, (None, None, None))
                if now != before:
                    changed = [str(new) if new != old else "-" for new, old in zip(now, before)]
                    yield f"{step} {name} {' '.join(changed)}"
                last[name] = now

    def config(self):
        labels = "\n".join(f"        wca/{name}: {json.dumps(labels)}" for name, labels in self.labels.items())
        return f"""\
runner: !DetectionRunner
  measurement_runner: !MeasurementRunner
    node: !StaticNode
      tasks: {json.dumps(["wca/" + name for name in self.socket])}
      tasks_labels:
{labels}
    metrics_storage: !FilterStorage
      storages: [!LogStorage {{output_filename: /measured.prom}}]
      filter: [task_last_seen, task_cpu_usage_seconds, task_cycles, task_instructions, task_llc_occupancy_bytes, task_mem_bandwidth_bytes]
    action_delay: {STEP}
    event_names: [cycles, instructions]
    rdt_enabled: true
    vmstat: false
    zoneinfo: false
  detector: !CPIDetector
{SETTINGS}  anomalies_storage: !LogStorage
    output_filename: /found.prom
"""

    def truth(self):
        return {
            "seed": self.seed,
            "kind": self.kind,
            "antagonist": self.antagonist and "wca/" + self.antagonist,
            "hurt": ["wca/" + name for name in self.hurt],
            "resource": self.resource,
            "severity": round(self.severity, 2),
        }


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    seed, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
    scene = Scene(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tasks").write_text("".join(f"{name} {socket}\n" for name, socket in scene.socket.items()))
    (folder / "schedule").write_text("".join(line + "\n" for line in scene.schedule()))
    (folder / "config.yaml").write_text(scene.config())
    (folder / "truth.json").write_text(json.dumps(scene.truth()) + "\n")


if __name__ == "__main__":
    main()
