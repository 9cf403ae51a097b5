#!/bin/sh
# Runs inside the test bed, as root under busybox: tests of monitoring groups, which /test/filter names, on a mounted resctrl.
set -eu
mount -t resctrl -o debug resctrl /sys/fs/resctrl
[ -e /dev/cpu/0/msr ] || insmod /modules/msr.ko allow_writes=on
/test/tests --ignored --test-threads 1 "$(cat /test/filter)" 2>&1
left=$(find /sys/fs/resctrl -name 'wca-*')
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
