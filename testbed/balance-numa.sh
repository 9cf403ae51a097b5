#!/bin/sh
# Runs inside the test bed with four NUMA nodes, as root under busybox: twelve tasks of different sizes, which hold memory on nodes
# that they did not choose, are balanced by NUMAAllocator with the arguments in /test/arguments. Then WCA starts anew, and once more
# with a task besides whose cgroup stands within one that has two of the nodes alone. Printed between marks: what was measured, what
# the allocator said, the memory of tasks on each node over the iterations of the first start as CSV, and in the end which processors
# and nodes each task may use and where its memory is.
set -eu
top=/sys/fs/cgroup
tasks='01 02 03 04 05 06 07 08 09 10 11 12'
echo '+cpu +cpuset +memory' > $top/cgroup.subtree_control
mkdir -p $top/wca
echo '+cpu +cpuset +memory' > $top/wca/cgroup.subtree_control
within() {
  echo 0 > $top/$1/cgroup.procs
  shift
  exec "$@"
}
number=0
for task in $tasks; do
  # In an order that is not that of their sizes, on nodes that are not those that they will get.
  limit=$((14 + 2 * (number * 5 % 12)))
  mkdir $top/wca/$task
  echo ${limit}M > $top/wca/$task/memory.max
  echo $((number * 3 % 4)) > $top/wca/$task/cpuset.mems
  within wca/$task /test/numatest hold $((limit - 6)) 100000 > /held.$task &
  number=$((number + 1))
done
for task in $tasks; do
  until grep -q hold /held.$task 2> /dev/null; do sleep 0.1; done
  echo 0-3 > $top/wca/$task/cpuset.mems
done
# Runs it with these tasks for so many iterations.
balance() {
  cat > /config.yaml <<YAML
runner: !AllocationRunner
  measurement_runner: !MeasurementRunner
    node: !StaticNode
      tasks: [$(for task in $1; do printf '%s' "wca/$task, "; done)]
    metrics_storage: !FilterStorage
      filter: [task_mem_limit_bytes, task_mem_numa_pages, platform_mem_numa_free_bytes, platform_page_size_bytes]
      storages: [!LogStorage {output_filename: /measured.prom}]
    vmstat: false
    zoneinfo: false
    action_delay: 1
  allocator: !NUMAAllocator
$(sed 's/^/    /' /test/arguments)
  anomalies_storage: !LogStorage {output_filename: /said.prom}
  allocations_storage: !LogStorage {output_filename: /allocated.prom}
  on_exit: keep
YAML
  chmod 644 /config.yaml
  /test/wca -c /config.yaml --root --iterations $2
}
balance "$tasks" 20
echo 'csv BEGIN'
echo '# title: memory of twelve tasks on four NUMA nodes'
echo "# command: run --nodes 4 --icount testbed/balance-numa.sh target/release/wca ARGUMENTS:/test/arguments"
sed 's/^/# command: ARGUMENTS has /' /test/arguments
awk '
  function label(name, rest) {
    rest = substr($0, index($0, name "=\"") + length(name) + 2)
    return substr(rest, 1, index(rest, "\"") - 1)
  }
  function columns(before, text, node) {
    for (node = 0; node in nodes; node++) text = text (node ? "," : "") before " " node
    return text
  }
  !NF || /^#/ { next }
  { time = $NF; value = $(NF - 1) }
  /^platform_page_size_bytes/ { page = value }
  /^task_mem_numa_pages/ { pages[time, label("task_id"), label("numa_node")] = value; tasks[label("task_id")] }
  /^numa__task_current_node/ { has[time, label("task_id")] = value }
  /^numa__balanced_memory_size/ {
    if (!(time in seen)) { seen[time]; times[count++] = time }
    node = label("numa_node"); size[time, node] = value; nodes[node]
  }
  END {
    for (node = 0; node in nodes; node++) {
      print "# source: given to node " node ": numa__balanced_memory_size{numa_node=\"" node "\"}"
      print "# source: lies on node " node ": task_mem_numa_pages{numa_node=\"" node "\"} of all tasks"
    }
    print "# source: with its task: task_mem_numa_pages and numa__task_current_node"
    print "# panel: MiB that tasks may have: " columns("given to node")
    print "# panel: MiB of tasks: " columns("lies on node")
    print "# panel: % of their memory: with its task"
    print "# steps: " columns("given to node")
    print "iteration," columns("given to node") "," columns("lies on node") ",with its task"
    for (i = 0; i < count; i++) {
      given = lies = ""
      all = near = 0
      for (node = 0; node in nodes; node++) {
        here = 0
        for (task in tasks) {
          of = pages[times[i], task, node] * page / 1048576
          here += of
          if (has[times[i], task] == node) near += of
        }
        all += here
        given = given sprintf(",%.1f", size[times[i], node] / 1048576)
        lies = lies sprintf(",%.1f", here)
      }
      printf "%d%s%s,%.1f\n", i, given, lies, 100 * near / all
    }
  }' /measured.prom /said.prom
echo 'csv END'
balance "$tasks" 6
mkdir -p $top/wca/slice/13
echo '+cpu +cpuset +memory' > $top/wca/slice/cgroup.subtree_control
echo 2-5 > $top/wca/slice/cpuset.cpus
echo 1-2 > $top/wca/slice/cpuset.mems
echo 10M > $top/wca/slice/13/memory.max
within wca/slice/13 /test/numatest hold 4 100000 > /held.13 &
until grep -q hold /held.13 2> /dev/null; do sleep 0.1; done
tasks="$tasks slice/13"
balance "$tasks" 8
for name in measured said; do
  echo "$name BEGIN"
  grep -v '^#' /$name.prom
  echo "$name END"
done
for task in $tasks; do
  # The kernel counts pages that have just moved with some delay.
  cat $top/wca/$task/memory.numa_stat > /dev/null
  echo "TASK wca/$task cpus $(cat $top/wca/$task/cpuset.cpus) mems $(cat $top/wca/$task/cpuset.mems) $(grep '^anon ' $top/wca/$task/memory.numa_stat)"
done
