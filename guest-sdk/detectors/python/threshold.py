"""Reports tasks whose use of processors is above a threshold, for some ticks in a row."""

import math

import wit_world
from componentize_py_types import Err
from wit_world.imports import now, report
from wit_world.imports.types import Contended, MetricKind, Sample


class State:
    """What is kept from call to call. Not in the class below: that is made anew for each call."""

    threshold = 0.0
    ticks = 3
    # For how many ticks each task has been above the threshold.
    above = {}


class WitWorld(wit_world.WitWorld):
    def configure(self, threshold, ticks):
        if math.isnan(threshold):
            raise Err("threshold: a number is wanted")
        State.threshold = threshold
        State.ticks = 3 if ticks is None else ticks
        State.above = {}

    def detect(self):
        for key in now.roster_changes().departed:
            State.above.pop(key, None)
        columns = now.rates("task_cpu_usage_seconds")
        for row, key in enumerate(now.keys()):
            value = 0.0
            for column in columns:
                value += column[row]
            count = State.above.get(key, 0) + 1 if value > State.threshold else 0
            State.above[key] = count
            if count >= State.ticks:
                evidence = Sample("rate", [], value, MetricKind.GAUGE, "")
                try:
                    report.contention(Contended.CPUS, key, [], [evidence])
                except Err as refusal:
                    # An uncaught refusal would end the instance.
                    raise Err(repr(refusal.value))

    def may_recycle(self):
        # componentize-py 0.25 loses some bytes with every list that it hands to the runtime. After millions of reports
        # memory runs short, and a new instance costs a count or two.
        return True
