#!/bin/sh
# Runs inside the test bed, as root under busybox: WCA counts events of two tasks of a kernel with cgroup v2 and a PMU while
# numatest counts those of the first one too. That task works for three seconds on the second processor, and both begin before
# and end after it. What LogStorage has written is printed between two marks, and what numatest has counted between two others.
# $EVENTS, $AGGREGATE and $KEYS are the names of the events, whether processors are summed, and further keys of the runner.
set -eu
top=/sys/fs/cgroup
mkdir -p $top/wca/busy $top/wca/idle
[ -n "${UNTOUCHED:-}" ] || echo '+cpu' > $top/cgroup.subtree_control
for task in busy idle; do
  sh -c "echo \$\$ > $top/wca/$task/cgroup.procs; exec sleep 1000" &
done
cat > /config.yaml <<YAML
runner: !MeasurementRunner
  node: !StaticNode
    tasks: [wca/busy, wca/idle]
  metrics_storage: !LogStorage
    output_filename: /metrics.prom
    overwrite: true
  action_delay: 0.5
  event_names: ${EVENTS:-[cycles, instructions]}
  perf_aggregate_cpus: ${AGGREGATE:-true}
  enable_derived_metrics: true
  ${KEYS:-}
YAML
chmod 644 /config.yaml
/test/wca -c /config.yaml --root --iterations 20 > /wca.txt 2>&1 &
wca=$!
# The first reading opens the counters.
while [ ! -s /metrics.prom ]; do sleep 0.1; done
sleep 1
/test/numatest perf $top/wca/busy 5 > /numatest.txt &
other=$!
sleep 0.5
sh -c "echo \$\$ > $top/wca/busy/cgroup.procs; exec taskset 2 /test/numatest spin 3"
cp /metrics.prom /during.prom
wait $other
wait $wca
for file in during.prom metrics.prom numatest.txt wca.txt; do
  echo "$file BEGIN"
  cat /$file
  echo "$file END"
done
