#!/bin/bash
# A place where a scenario can be planted for real and nothing outlives it: namespaces of its own, over a copy-on-write view
# of this machine. Run by `unshare --mount --pid --net --ipc --uts --fork --kill-child`, as root.
#
#   planting-place.sh WORK MARKER      MARKER: yes or no, whether it is an instance of the lab
#
# Prints "ready". Then each line of standard input names a script in WORK; it is run, its streams go to SCRIPT.stdout and
# SCRIPT.stderr, and its exit code is printed. At the end of standard input all is over.
set -euo pipefail
work=$1 marker=$2

# Everything stays in this memory, also where WORK's own file system cannot hold an overlay.
mount --make-rprivate /
mkdir -p "$work/root"
mount -t tmpfs tmpfs "$work/root"
mkdir "$work"/root/{upper,work,new}
new=$work/root/new
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/root/upper,workdir=$work/root/work" "$new"
mount -t proc proc "$new/proc"
for folder in run tmp root home; do mount -t tmpfs -o mode=0755 tmpfs "$new/$folder"; done
mount --bind /dev "$new/dev"
mkdir -p "$new/planting"
mount --bind "$work" "$new/planting"
rm -rf "$new/var/log"
mkdir "$new/var/log"
if [[ $marker == yes ]]; then echo i-0123456789abcdef0 >"$new/run/lab-instance"; fi

# The address of the beacon's server lies here, so that a session can be had without a network.
ip link set lo up
ip address add 203.0.113.66/32 dev lo

echo ready
while read -r script; do
  code=0
  chroot "$new" /bin/bash "/planting/$script" >"$work/$script.stdout" 2>"$work/$script.stderr" </dev/null || code=$?
  echo "$code"
done
