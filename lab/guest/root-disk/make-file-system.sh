#!/bin/bash
# make-file-system.sh ROOT ext4|xfs FILE
#
# Puts a folder tree into a file system image of the size that FILE has. Called by mmdebstrap (make-root-disk.sh).
set -euo pipefail

ROOT=$1 FILE_SYSTEM=$2 FILE=$3
HERE=$(cd "$(dirname "$0")" && pwd)

# A copy, without what mmdebstrap has mounted there. All cleaning happens on the copy: mmdebstrap keeps its apt
# configuration in ROOT/tmp until it ends, and without it its last apt-get would clean the building machine instead.
TREE=$(mktemp -d)
trap 'rm -rf "$TREE"' EXIT
chmod 755 "$TREE"
cp -ax "$ROOT/." "$TREE"
find "$TREE/dev" "$TREE/tmp" "$TREE/var/cache/apt" "$TREE/var/lib/apt/lists" -mindepth 1 -delete
rm -rf "$TREE"/etc/apt/sources.list{,.d/*} "$TREE"/etc/{apt/apt.conf.d,dpkg/dpkg.cfg.d}/99mmdebstrap
rm -rf "$TREE"/var/cache/debconf/* "$TREE"/var/log/{apt,dpkg.log,bootstrap.log,alternatives.log}

case $FILE_SYSTEM in
  ext4)
    mke2fs -q -t ext4 -L cloudimg-rootfs -E lazy_itable_init=0,nodiscard -d "$TREE" "$FILE"
    ;;
  xfs)
    prototype=$TREE.prototype
    trap 'rm -rf "$TREE" "$prototype"' EXIT
    python3 "$HERE/xfs-prototype.py" "$TREE" >"$prototype"
    mkfs.xfs -q -f -K -L root -p "$prototype" "$FILE"
    ;;
  *)
    echo "make-file-system: \"$FILE_SYSTEM\" is not known: ext4 or xfs" >&2
    exit 1
    ;;
esac
