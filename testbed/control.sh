#!/bin/sh
# Runs inside the test bed, as root under busybox: tests of changes, which /test/filter names, on cgroups v2 whose root hands down
# its controllers.
set -eu
echo '+cpu +cpuset +memory +io' > /sys/fs/cgroup/cgroup.subtree_control
find /sys/fs/cgroup -mindepth 1 -type d > /before
/test/tests --ignored --test-threads 1 "$(cat /test/filter)" 2>&1
find /sys/fs/cgroup -mindepth 1 -type d > /after
cmp /before /after || { echo "left behind:"; cat /after; exit 1; }
