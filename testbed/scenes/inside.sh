#!/bin/sh
# Runs inside the test bed, as root under busybox: WCA detects interference in a scene of scene.py, whose files lie in /test. Each
# task is a spinning program in a cgroup whose quota follows the schedule, in a resctrl group of its own by whose registers the
# machine model is told how much it is slowed down and what it moves. What was measured and found goes back by /dev/ttyS1.
set -eu
top=/sys/fs/cgroup
rdt=/sys/fs/resctrl
echo '+cpu' > $top/cgroup.subtree_control
mkdir $top/wca
echo '+cpu' > $top/wca/cgroup.subtree_control
mount -t resctrl -o debug resctrl $rdt
[ -e /dev/cpu/0/msr ] || insmod /modules/msr.ko allow_writes=on
while read -r name socket; do
  mkdir $top/wca/$name $rdt/$name
  echo '1000 25000' > $top/wca/$name/cpu.max
  # Two processors of each socket.
  sh -c "echo \$\$ > $top/wca/$name/cgroup.procs; echo \$\$ > $rdt/$name/tasks; exec taskset $(printf %x $((3 << 2 * socket))) /test/numatest spin 100000" &
  tasks="${tasks:-} $!"
  eval "cpu_$name=$((2 * socket)) class_$name=$(cat $rdt/$name/ctrl_hw_id)"
done < /test/tasks
chmod 644 /test/config.yaml
/test/wca -c /test/config.yaml --root > /wca.txt 2>&1 &
wca=$!
until [ -s /measured.prom ]; do
  kill -0 $wca || { cat /wca.txt; exit 1; }
  sleep 0.1
done
# The monitoring groups that WCA has made inside.
while read -r name _; do
  eval "monitor_$name=$(cat $rdt/$name/mon_groups/*/mon_hw_id)"
done < /test/tasks

hundredths() { read -r up _ < /proc/uptime; now=${up%.*}${up#*.}; }
# What runs at once costs the emulator no more than one of them: their quotas are renewed at the same moments.
kill -STOP $tasks
sleep 0.1
kill -CONT $tasks
hundredths
start=$now
last=0
while read -r step name quota bandwidth demand; do
  if [ "$step" != "$last" ]; then
    last=$step
    hundredths
    wait=$((start + 25 * step - now))
    [ $wait -le 0 ] || sleep $((wait / 100)).$(printf %02d $((wait % 100)))
  fi
  [ "$quota" = - ] || echo "$quota 25000" > $top/wca/$name/cpu.max
  eval "cpu=\$cpu_$name class=\$class_$name monitor=\$monitor_$name"
  [ "$bandwidth" = - ] || /test/numatest wrmsr $cpu $((0xd50 + class)) $bandwidth
  [ "$demand" = - ] || /test/numatest wrmsr $cpu $((0x7d000000 + monitor)) $demand
done < /test/schedule
hundredths
echo "late by $((now - start - 25 * last)) hundredths of a second at the end of $last steps"
kill -INT $wca
wait $wca
grep -v INFO /wca.txt || true
stty -F /dev/ttyS1 raw
cp /test/truth.json /truth.json
cd /
gzip measured.prom found.prom
tar c measured.prom.gz found.prom.gz truth.json wca.txt > /dev/ttyS1
