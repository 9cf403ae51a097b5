#!/bin/sh
# Runs inside the test bed, as root under busybox: tests of control groups, which /test/filter names, on a resctrl that is mounted
# with the options in /test/options.
set -eu
mount -t resctrl -o "$(cat /test/options)" resctrl /sys/fs/resctrl
[ -e /dev/cpu/0/msr ] || insmod /modules/msr.ko allow_writes=on
before=$(cat /sys/fs/resctrl/schemata)
/test/tests --ignored --test-threads 1 "$(cat /test/filter)" 2>&1
cd /sys/fs/resctrl
left=$(find . -type d | grep -v -E '^\.(/info.*|/mon_groups|/mon_data.*)?$' || true)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
[ "$before" = "$(cat schemata)" ] || { echo "the root group has $(cat schemata), not $before"; exit 1; }
