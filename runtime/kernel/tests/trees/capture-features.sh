#!/bin/sh
# Prints the files by which this machine says what it has, as a tree for the tests: `@ PATH` and then the file. It makes nothing.
#   capture-features.sh "a sentence about the machine" >NAME.tree
set -u
echo "# $1"
file() { # PATH, read by the command behind it
  path=$1; shift
  [ -r "$path" ] || return 0
  text=$("${@:-cat}" "$path" 2>/dev/null) && { echo "@ $path"; [ -z "$text" ] || echo "$text"; }
}
mountinfo() { grep -E ' - (proc|sysfs|cgroup2?|resctrl) ' "$1"; }
file /proc/self/mountinfo mountinfo
for f in /proc/cgroups /proc/filesystems /proc/pressure/cpu /proc/sys/kernel/perf_event_paranoid /proc/sys/kernel/numa_balancing \
  /proc/sys/user/max_user_namespaces /proc/sys/kernel/seccomp/actions_avail /proc/sys/fs/inotify/max_user_watches \
  /proc/sys/fs/inotify/max_user_instances /sys/devices/system/node/online; do file $f; done
file /proc/self/limits grep 'Max open files'
file /proc/self/status grep CapEff
for f in $(sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .* - cgroup2 .*/\1/p' /proc/self/mountinfo); do
  file "$f/cgroup.controllers"; file "$f/cgroup.subtree_control"
done
for f in $(sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .* - cgroup .*/\1/p' /proc/self/mountinfo); do echo "@ $f/tasks"; done
for f in /sys/bus/event_source/devices/*/type; do file "$f"; done
for f in schemata info/L3/cbm_mask info/L3CODE/cbm_mask info/L2/cbm_mask info/MB/min_bandwidth info/L3_MON/mon_features; do
  file "/sys/fs/resctrl/$f"
done
