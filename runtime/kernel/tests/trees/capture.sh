#!/bin/sh
# Prints what the readers of this crate read on this machine, as a tree for the tests: `@ PATH` and then the file.
# To be run as root on a machine that nobody else uses: it makes the cgroups demo/busy (a process that works in it) and
# demo/empty, where it may, and removes them, and on a machine with cgroup v2 alone it hands all controllers down. What is
# long and not read is cut.
#   capture.sh "a sentence about the machine" >NAME.tree
set -u
echo "# $1"
file() { # PATH, read by the command behind it
  path=$1; shift
  [ -r "$path" ] || return 0
  # The path is printed only after the file could be read: some files exist and refuse.
  text=$("${@:-cat}" "$path" 2>/dev/null) && { echo "@ $path"; [ -z "$text" ] || echo "$text"; }
}
cpuinfo() { sed '/^$/q; /^flags/d; /^bugs/d; /^vmx/d' "$1"; }
stat() { sed 's/^\(intr [0-9]*\|softirq [0-9]*\).*/\1/' "$1"; }
meminfo() { grep -E '^(Mem|Buffers|Cached|Swap)' "$1"; }
memory_stat() { grep -E '(pgfault|inactive_file|swap) ' "$1"; }
node_meminfo() { grep -E 'Mem(Total|Free|Used)' "$1"; }
vmstat() { grep -E '^(nr_free_pages|nr_anon_pages|numa_.*|pgfault|pgmigrate_.*) ' "$1"; }
zoneinfo() { grep -E 'zone |per-node|pages free|(nr_anon_pages|min|nr_mlock) |protection|pagesets|cpu: 0|start_pfn' "$1"; }
mountinfo() { grep -E ' - (proc|sysfs|cgroup2?|resctrl) ' "$1"; }
cgroups=$(sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .* - cgroup2\? .*/\1/p' /proc/self/mountinfo)
for dir in $cgroups; do
  mkdir -p "$dir/demo"
  case $dir in */cpuset) for f in cpuset.cpus cpuset.mems; do cat "$dir/$f" >"$dir/demo/$f"; done;; esac
  # Beside v1 hierarchies the machine is left as it is.
  [ "$dir" = "$cgroups" ] && for controller in $(cat "$dir/cgroup.controllers" 2>/dev/null); do
    echo "+$controller" >"$dir/cgroup.subtree_control"; echo "+$controller" >"$dir/demo/cgroup.subtree_control"
  done 2>/dev/null
  for leaf in busy empty; do
    mkdir "$dir/demo/$leaf"
    case $dir in */cpuset) for f in cpuset.cpus cpuset.mems; do cat "$dir/$f" >"$dir/demo/$leaf/$f"; done;; esac
  done
done
sh -c 'for i in $(seq 100000); do :; done; exec sleep 1000' & sleeper=$!
for dir in $cgroups; do echo $sleeper >"$dir/demo/busy/cgroup.procs"; done
sleep 3

file /proc/self/mountinfo mountinfo
file /proc/cpuinfo cpuinfo
file /proc/stat stat
file /proc/meminfo meminfo
file /proc/sys/kernel/hostname
file /sys/devices/system/cpu/online
for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
  for f in physical_package_id die_id core_id; do file "$cpu/topology/$f"; done
done
file /sys/devices/system/node/online
for node in /sys/devices/system/node/node[0-9]*; do
  file "$node/cpulist"; file "$node/distance"; file "$node/meminfo" node_meminfo; file "$node/vmstat" vmstat
done
file /proc/vmstat vmstat
file /proc/zoneinfo zoneinfo
for f in cpu io memory; do file "/proc/pressure/$f"; done
for dir in $cgroups; do
  file "$dir/cgroup.controllers"
  for group in demo demo/busy demo/empty; do
    for f in cgroup.procs cgroup.events cpuacct.usage memory.usage_in_bytes memory.max_usage_in_bytes \
      memory.limit_in_bytes memory.soft_limit_in_bytes memory.oom_control memory.numa_stat cpu.stat memory.current \
      memory.peak memory.max memory.low memory.events memory.swap.current pids.current io.stat cpu.pressure io.pressure \
      memory.pressure blkio.throttle.io_service_bytes blkio.throttle.io_serviced; do
      file "$dir/$group/$f"
    done
    file "$dir/$group/memory.stat" memory_stat
  done
done
for f in schemata info/*/cbm_mask info/*/min_cbm_bits info/*/num_closids info/*/sparse_masks info/*/min_bandwidth \
  info/*/bandwidth_gran info/*/num_rmids info/*/mon_features mon_data/*/* mon_data/*/*/*; do
  for path in /sys/fs/resctrl/$f; do file "$path"; done
done

kill $sleeper; wait $sleeper 2>/dev/null
for dir in $cgroups; do rmdir "$dir/demo/busy" "$dir/demo/empty" "$dir/demo"; done
