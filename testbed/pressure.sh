#!/bin/sh
# Runs inside the test bed, as root under busybox: PressureAllocator with cache ways and memory bandwidth alone. A service and a hog
# run on two processors of one socket; /test/tests has both programs and what slows the one by the other (tests of the cli,
# testbed/pressure/programs.rs). First each fixed bandwidth with the fewest ways is measured, then WCA runs.
set -eu
top=/sys/fs/cgroup
mkdir -p $top/wca/service $top/wca/hog
mount -t resctrl resctrl /sys/fs/resctrl
sh -c "echo \$\$ > $top/wca/hog/cgroup.procs; exec taskset 1 /test/numatest spin 100000" &
hog=$!
sh -c "echo \$\$ > $top/wca/service/cgroup.procs; exec taskset 2 /test/tests --ignored --exact pressure::inside_service" > /service.txt 2>&1 &
# Else both are counted with the rest of the machine as long as nobody controls them.
for task in hog service; do
  mkdir /sys/fs/resctrl/mon_groups/$task
  for process in $(cat $top/wca/$task/cgroup.procs); do
    for thread in /proc/$process/task/*; do echo "${thread##*/}" > /sys/fs/resctrl/mon_groups/$task/tasks; done
  done
done
observe() {
  rm -f /run/done
  HOG=$hog TICK=$1 taskset 8 /test/tests --ignored --exact pressure::inside_observer --nocapture &
  observer=$!
}
finish() { touch /run/done; wait $observer; }

echo 'FIXED BEGIN'
mkdir /sys/fs/resctrl/fixed
echo 'L3:0=1;1=1' > /sys/fs/resctrl/fixed/schemata
echo $hog > /sys/fs/resctrl/fixed/tasks
for mb in 100 90 80 70 60 50 40 30 20 10; do
  echo "MB:0=$mb;1=$mb" > /sys/fs/resctrl/fixed/schemata
  sleep 0.3
  observe 3
  sleep 3.3
  finish
done
echo $hog > /sys/fs/resctrl/tasks
echo $hog > /sys/fs/resctrl/mon_groups/hog/tasks
rmdir /sys/fs/resctrl/fixed
echo 'FIXED END'

sleep 1
echo 'LOOP BEGIN'
observe "$(cat /test/tick)"
sleep 2
echo STARTED
taskset c /test/wca -c /test/config.yaml --root --iterations "$(cat /test/ticks)" > /wca.txt 2>&1 || { cat /wca.txt; exit 1; }
echo ENDED
finish
echo 'LOOP END'
cat /wca.txt
echo 'ANOMALIES BEGIN'
cat /anomalies.prom
echo 'ANOMALIES END'
echo "GROUPS LEFT: $(ls -d /sys/fs/resctrl/wca* /sys/fs/resctrl/mon_groups/wca* 2> /dev/null)."
