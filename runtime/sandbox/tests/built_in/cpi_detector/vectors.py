#!/usr/bin/env python3
"""Writes vectors.json: series of samples, and what the paper's formulas make of them, computed with numpy and by nothing of
this project. Needs numpy:

    python3 vectors.py > vectors.json

Each case has a victim and a mate of the same group, and suspects. Of the last steps it tells median and deviation of the group
before the step, the threshold, whether the victim has suffered, and the correlation of each suspect over the last ten steps.
"""

import json

import numpy as np

HISTORY = 60
STEPS = 12
WINDOW = 10
VIOLATIONS, VIOLATION_WINDOW = 3, 5
SIGMAS, LEAST = 2.0, 0.05


def correlation(values, usage, threshold):
    """Section 4.2 of CPI2 (Zhang et al., EuroSys 2013)."""
    total = usage.sum()
    if total == 0:
        return 0.0
    above = values > threshold
    parts = np.where(above, 1 - threshold / values, values / threshold - 1)
    return float((usage / total * parts).sum())


def case(seed, rise, suspects):
    random = np.random.default_rng(seed)
    steps = HISTORY + STEPS
    hurt = np.zeros(steps)
    hurt[HISTORY + 2 :] = 1
    mean = random.uniform(0.8, 2.5)
    noise = random.uniform(0.01, 0.08)
    victim = mean * (1 + noise * random.standard_normal(steps)) * (1 + (rise - 1) * hurt)
    mate = mean * (1 + noise * random.standard_normal(steps))
    usages = {}
    for name in suspects:
        steady = random.uniform(0.3, 1.5) * (1 + 0.2 * random.standard_normal(steps))
        if name == "guilty":
            usage = np.where(hurt == 1, random.uniform(0.8, 3.0, steps), random.uniform(0.0, 0.1, steps))
        elif name == "rising":
            usage = steady * (1 + 0.6 * hurt)
        else:
            usage = steady
        usages[name] = np.maximum(np.round(usage, 4), 0)
    victim, mate = np.round(victim, 4), np.round(mate, 4)

    told, violated = [], []
    for step in range(HISTORY, steps):
        known = np.concatenate([victim[:step], mate[:step]])
        median = np.median(known)
        deviation = 1.4826 * np.median(np.abs(known - median))
        threshold = median + SIGMAS * max(deviation, LEAST * median)
        if victim[step] > threshold:
            violated.append(step)
        recent = [at for at in violated if at > step - VIOLATION_WINDOW]
        window = slice(step - WINDOW + 1, step + 1)
        told.append(
            {
                "suffers": bool(victim[step] > threshold and len(recent) >= VIOLATIONS),
                "median": median,
                "deviation": deviation,
                "threshold": threshold,
                "violations": len(recent),
                "correlation": {name: correlation(victim[window], usage[window], threshold) for name, usage in usages.items()},
            }
        )
    return {
        "victim": victim.tolist(),
        "mate": mate.tolist(),
        "usage": {name: usage.tolist() for name, usage in usages.items()},
        "told": told,
    }


CASES = [
    (1, 2.5, ["guilty", "rising", "steady"]),
    (2, 4.0, ["guilty", "steady"]),
    (3, 1.9, ["guilty", "rising"]),
    (4, 8.0, ["rising", "steady"]),
    (5, 1.0, ["guilty", "steady"]),
    (6, 1.4, ["guilty", "rising", "steady"]),
]

print(json.dumps([case(*one) for one in CASES], separators=(",", ":")))
