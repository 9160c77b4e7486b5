#!/bin/bash
# configure-system.sh ROOT KERNEL_VERSION KERNEL_PACKAGE_FOLDER
#
# What a first boot would do on an instance, done once: so that a guest boots in seconds on an emulated processor.
# Called by mmdebstrap (make-root-disk.sh) on the new system.
set -euo pipefail

ROOT=$1 KERNEL_VERSION=$2 KERNEL_PACKAGE=$3

# Modules that an instance may ask for: file systems and logical volumes of its disks, loop devices. Not all of a
# thousand: each is one more file in every timeline.
MODULES=(fs/xfs lib/libcrc32c.ko drivers/md/dm-mod.ko drivers/block/loop.ko drivers/net/vmxnet3)

source_modules=$(find "$KERNEL_PACKAGE" -type d -path "*lib/modules/$KERNEL_VERSION" | head -n 1)
modules=$ROOT/lib/modules/$KERNEL_VERSION
mkdir -p "$modules"
cp "$source_modules"/modules.{builtin,builtin.modinfo,order} "$modules"
for name in "${MODULES[@]}"; do
  for found in "$source_modules/kernel/$name"*; do # modules may be compressed: .ko.xz
    [[ -e $found ]] || continue
    mkdir -p "$modules/kernel/$(dirname "$name")"
    cp -R "$found" "$modules/kernel/$(dirname "$name")/"
  done
done
chroot "$ROOT" depmod "$KERNEL_VERSION"

# Nobody logs in on the console; nothing is upgraded, for a guest reaches no mirror.
chroot "$ROOT" systemctl --quiet mask getty-static.service serial-getty@ttyS0.service getty@tty1.service \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
  systemd-pstore.service

# cloud-init's user on Debian's own images for EC2.
chroot "$ROOT" useradd --create-home --shell /bin/bash --comment Debian admin
install -d -m 700 "$ROOT/root/.ssh"
install -d -o 1000 -g 1000 -m 700 "$ROOT/home/admin/.ssh"

# The journal is kept. Its identity, the host's name and its resolver come at boot, from outside.
install -d -m 2755 "$ROOT/var/log/journal"
: >"$ROOT/etc/machine-id"
rm -f "$ROOT/etc/hostname" "$ROOT/etc/resolv.conf"
ln -s ../run/systemd/resolve/resolv.conf "$ROOT/etc/resolv.conf"
echo '127.0.0.1 localhost' >"$ROOT/etc/hosts"
echo '/dev/root / auto defaults 0 0' >"$ROOT/etc/fstab"

# systemd takes a /usr that is newer than these for an upgrade, and would redo its caches at each first boot.
touch "$ROOT/etc/.updated" "$ROOT/var/.updated"
