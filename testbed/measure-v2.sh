#!/bin/sh
# Runs inside the test bed, as root under busybox: WCA measures two tasks of a kernel that has cgroup v2 alone, one that keeps
# a processor busy and one that holds 32 MiB. What LogStorage has written is printed between two marks.
set -eu
top=/sys/fs/cgroup
mkdir -p $top/wca/busy $top/wca/full
echo '+cpu +memory +pids' > $top/cgroup.subtree_control
echo '+cpu +memory +pids' > $top/wca/cgroup.subtree_control
echo 67108864 > $top/wca/full/memory.max
sh -c 'echo $$ > /sys/fs/cgroup/wca/busy/cgroup.procs; while :; do :; done' &
# Pages of a tmpfs are held by the cgroup that has written them.
mkdir /full
mount -t tmpfs none /full
sh -c 'echo $$ > /sys/fs/cgroup/wca/full/cgroup.procs; dd if=/dev/zero of=/full/pages bs=1M count=32 2> /dev/null; sleep 100' &
while [ "$(wc -c < /full/pages 2> /dev/null || echo 0)" -lt 33554432 ]; do sleep 0.1; done
mount -t resctrl resctrl /sys/fs/resctrl
cat > /config.yaml <<'YAML'
runner: !MeasurementRunner
  node: !StaticNode
    tasks: [wca/busy, wca/full, wca/gone]
  metrics_storage: !LogStorage
    output_filename: /metrics.prom
    overwrite: true
  action_delay: 0.5
  gather_hw_mm_topology: true
  sched: nr_|wait_
  wss_reset_interval: 2
  wss_stable_cycles: 1
  wss_membw_threshold: 1.0
YAML
chmod 644 /config.yaml
/test/wca -c /config.yaml --root --iterations 8
echo 'METRICS BEGIN'
cat /metrics.prom
echo 'METRICS END'
echo "GROUPS LEFT: $(ls /sys/fs/resctrl/mon_groups)."
