#!/bin/sh
# Runs inside the test bed, as root under busybox: WCA counts events of three tasks of a kernel with cgroup v2 and a PMU while
# numatest counts those of the first two together. The first works for three seconds on the second processor, the second takes
# over where $MOVES says so, and the third sleeps; WCA and numatest begin before and end after it. What LogStorage and numatest
# have written, and what WCA has said, is printed between marks.
#
# /test/settings can set: EVENTS, names of events; AGGREGATE, whether processors are summed; UNTOUCHED, that no controller is
# handed down from the root; MOVES.
set -eu
[ ! -f /test/settings ] || . /test/settings
top=/sys/fs/cgroup
for task in busy other idle; do
  mkdir -p $top/wca/$task
  sh -c "echo \$\$ > $top/wca/$task/cgroup.procs; exec sleep 1000" &
done
[ -n "${UNTOUCHED:-}" ] || echo '+cpu' > $top/cgroup.subtree_control
cat > /config.yaml <<YAML
runner: !MeasurementRunner
  node: !StaticNode
    tasks: [wca/busy, wca/other, wca/idle]
  metrics_storage: !LogStorage
    output_filename: /metrics.prom
    overwrite: true
  action_delay: 0.5
  event_names: ${EVENTS:-[cycles, instructions]}
  perf_aggregate_cpus: ${AGGREGATE:-true}
  enable_derived_metrics: true
YAML
chmod 644 /config.yaml
/test/wca -c /config.yaml --root --iterations 20 > /wca.txt 2>&1 &
wca=$!
# The first reading opens the counters.
while [ ! -s /metrics.prom ]; do sleep 0.1; done
sleep 1
/test/numatest perf $top/wca 5 > /numatest.txt &
other=$!
sleep 0.5
sh -c "echo \$\$ > $top/wca/busy/cgroup.procs; exec taskset 2 /test/numatest spin 3" &
spin=$!
sleep 1.5
[ -z "${MOVES:-}" ] || echo $spin > $top/wca/other/cgroup.procs
sleep 1
cp /metrics.prom /during.prom
wait $spin
wait $other
wait $wca
for file in during.prom metrics.prom numatest.txt wca.txt; do
  echo "$file BEGIN"
  cat /$file
  echo "$file END"
done
