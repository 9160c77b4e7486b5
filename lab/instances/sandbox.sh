#!/bin/bash
# The inside of a sandbox instance: a writable overlay over this machine's own system, with its own processes, host name,
# /dev, /run and /tmp. Started by sandbox-namespaces.ts as the first process of new mount, pid, uts and ipc namespaces, as root.
# All that is mounted here vanishes with the namespace: there is nothing to clean up on the machine.
#
# A sandbox stands for an instance, it is no security boundary: it shares the kernel of this machine, and its network too where
# the lab has none of its own. Else it is started inside its network namespace; its security groups are in force outside of that.
#
# From the environment:
#   SANDBOX_FOLDER         holds upper, work and root; upper is the instance's disk
#   SANDBOX_HOSTNAME       as EC2 names it, ip-10-...
#   SANDBOX_VOLUMES        folder with volume files, offered at /dev/volumes where loop devices cannot be had
#   SANDBOX_VOLUMES_MODE   ro or rw
#   SANDBOX_VISIBLE        host folders that must be seen inside (Node, Python), one a line
#   SANDBOX_FORENSIC_TOOLS folder to offer read-only as /opt/forensic-tools; empty: none
#   SANDBOX_FIXTURES       folder to offer read-only as /opt/lab-fixtures; empty: none
#   SANDBOX_INIT           sandbox-init.sh
#   SANDBOX_AGENT          command of the SSM agent, one word a line; empty: an instance without an agent
#   SANDBOX_AGENT_PROGRAMS its programs, seen read-only: a line with the path here, then one with the path inside
#   SANDBOX_AGENT_FILES    folder of what else it needs, copied onto the root
#   SANDBOX_AGENT_DELAY    seconds until the agent starts
#   SANDBOX_RESOLVER       address of the resolver in the instance's own network; empty: the network is this machine's
#   SANDBOX_AGENT_ENV      what the agent and its documents see, NAME=value, one a line
# Prints "ready <pid on the machine>" on standard output; everything else goes to standard error.
set -euo pipefail

# Still the machine's /proc: the only place where a process learns its own number outside.
read -r host_pid _ </proc/self/stat

root=$SANDBOX_FOLDER/root
mkdir -p "$SANDBOX_FOLDER"/{upper,work,root}
hostname "$SANDBOX_HOSTNAME"

mount_overlay() {
  mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root" 2>&1
}
if ! problem=$(mount_overlay "$SANDBOX_FOLDER"); then
  # An overlay cannot lie on another overlay (a container's own disk): take memory.
  echo "overlay on $SANDBOX_FOLDER refused (${problem##*$'\n'}): its changes are kept in memory" >&2
  mount -t tmpfs -o mode=0755 tmpfs "$SANDBOX_FOLDER/work"
  mkdir "$SANDBOX_FOLDER"/work/{upper,work}
  mount_overlay "$SANDBOX_FOLDER/work" >&2
fi

cp -- "$SANDBOX_INIT" "$root/sbin/sandbox-init"
cp -r -- "$SANDBOX_AGENT_FILES/." "$root"

mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs "$root/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
# What plants traces runs where this file is, and nowhere else.
basename "$SANDBOX_FOLDER" >"$root/run/lab-instance"
# The responder's own homes are none of an instance's business.
for home in root home; do
  if [[ -d $root/$home ]]; then mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs "$root/$home"; fi
done

mount -t tmpfs -o mode=0755,nosuid tmpfs "$root/dev"
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
  IFS=: read -r name major minor <<<"$node"
  mknod -m 0666 "$root/dev/$name" c "$major" "$minor"
done
mkdir -p "$root"/dev/{pts,shm,disk/by-id,volumes}
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"

bind() {
  mount --bind "$1" "$2"
  mount -o "remount,bind,nosuid,$3" "$2"
}
bind "$SANDBOX_VOLUMES" "$root/dev/volumes" "$SANDBOX_VOLUMES_MODE"

while IFS= read -r folder; do
  # Seen through the overlay already, unless it lies on another mount or under a folder covered above.
  if [[ -z $folder || -e $root$folder ]]; then continue; fi
  mkdir -p "$root$folder"
  bind "$folder" "$root$folder" ro
done <<<"$SANDBOX_VISIBLE"
if [[ -n $SANDBOX_FORENSIC_TOOLS ]]; then
  mkdir -p "$root/opt/forensic-tools"
  bind "$SANDBOX_FORENSIC_TOOLS" "$root/opt/forensic-tools" ro
fi
if [[ -n $SANDBOX_FIXTURES ]]; then
  mkdir -p "$root/opt/lab-fixtures"
  bind "$SANDBOX_FIXTURES" "$root/opt/lab-fixtures" ro
fi
while IFS= read -r program && IFS= read -r target; do
  mkdir -p "$root${target%/*}"
  # This machine may have the agent installed, and by a link.
  rm -f "$root$target"
  : >"$root$target"
  bind "$program" "$root$target" ro
done <<<"$SANDBOX_AGENT_PROGRAMS"
hostname >"$root/etc/hostname"
held_back=-sys_module,-sys_rawio,-sys_boot,-sys_time,-mknod,-mac_admin,-mac_override
if [[ -n $SANDBOX_RESOLVER ]]; then
  # Often a link to a file of a service that does not run in here.
  rm -f "$root/etc/resolv.conf"
  echo "nameserver $SANDBOX_RESOLVER" >"$root/etc/resolv.conf"
else
  held_back+=,-net_admin
fi

agent_environment=()
while IFS= read -r assignment; do
  if [[ -n $assignment ]]; then agent_environment+=("$assignment"); fi
done <<<"$SANDBOX_AGENT_ENV"

agent=()
if [[ -n $SANDBOX_AGENT ]]; then mapfile -t agent <<<"$SANDBOX_AGENT"; fi

mkdir -p "$root/mnt/.machine"
cd "$root"
pivot_root . mnt/.machine
cd /
umount -l /mnt/.machine
rmdir /mnt/.machine

echo "ready $host_pid"
exec 1>&2
# Without these a document cannot reach past the sandbox: load modules, make device nodes, set the clock, halt the machine,
# or change the firewall where the sandbox shares the machine's.
exec env -i "${agent_environment[@]}" \
  setpriv --bounding-set="$held_back" \
  /bin/bash /sbin/sandbox-init "${SANDBOX_AGENT_DELAY}" "${agent[@]}"
