#!/bin/sh
# Runs inside the test bed, as root under busybox: WCA measures a task that is throttled, one whose processes wait for a
# processor, one whose memory lies on the last NUMA node, and one whose cgroup has no controller. What LogStorage has written is
# printed between two marks, and what `wca tasks` says after that.
set -eu
top=/sys/fs/cgroup
echo '+cpu +cpuset +memory' > $top/cgroup.subtree_control
mkdir -p $top/wca/throttled $top/wca/stalled $top/wca/placed $top/bare/task
echo '+cpu +cpuset +memory' > $top/wca/cgroup.subtree_control
echo '10000 100000' > $top/wca/throttled/cpu.max
echo 0 > $top/wca/stalled/cpuset.cpus
last=$(ls -d /sys/devices/system/node/node* | sort | tail -n 1)
echo "${last##*node}" > $top/wca/placed/cpuset.mems
within() {
  echo 0 > $top/$1/cgroup.procs
  shift
  exec "$@"
}
within wca/throttled /test/numatest spin 1000 &
within wca/stalled /test/numatest spin 1000 &
within wca/stalled /test/numatest spin 1000 &
within wca/placed /test/numatest hold 32 1000 > /held &
within bare/task sleep 1000 &
until grep -q hold /held 2> /dev/null; do sleep 0.1; done
cat > /config.yaml <<'YAML'
runner: !MeasurementRunner
  node: !StaticNode
    tasks: [wca/throttled, wca/stalled, wca/placed, bare/task]
  metrics_storage: !LogStorage
    output_filename: /metrics.prom
    overwrite: true
  action_delay: 1
YAML
chmod 644 /config.yaml
/test/wca -c /config.yaml --root --iterations 4
echo "LAST NODE ${last##*node}"
echo 'METRICS BEGIN'
cat /metrics.prom
echo 'METRICS END'
/test/wca tasks -c /config.yaml
