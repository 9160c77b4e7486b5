#!/bin/bash
# make-root-disk.sh OUT.img ext4|xfs KERNEL_VERSION KERNEL_PACKAGE_FOLDER
#
# The root disk of the lab's guest: a small Debian system of this machine's own release, made by mmdebstrap from this
# machine's own apt sources, on a GPT disk of 1 GiB (sparse, about 200 MB of data) laid out as Debian's images for EC2:
# p1 root, p14 BIOS boot, p15 EFI (both empty: QEMU loads the kernel). About 45 s.
#
# No loop device and no mount. As root, or as a user who may use user namespaces (then with uidmap's newuidmap).
# Needs mmdebstrap, fdisk, e2fsprogs; for xfs also xfsprogs and python3.
# shellcheck disable=SC2016 # apt and mmdebstrap have their own $(NAME) and "$1"
set -euo pipefail

OUT=$1 FILE_SYSTEM=$2 KERNEL_VERSION=$3 KERNEL_PACKAGE=$4
HERE=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C TZ=UTC

DISK_MIB=1024
MIB_BEFORE_ROOT=16
MIB_AFTER_ROOT=1 # the second copy of the partition table
HOOKS=/usr/share/mmdebstrap/hooks/merged-usr # directories merged by links: no perl, which the package usrmerge brings

# What every server of the release has, and what documents and traces of an intrusion need. nodejs runs the lab's SSM
# agent; qemu-guest-agent is the lab's hand inside (lab/guest/guest-control.ts).
PACKAGES=systemd-sysv,udev,kmod,procps,iproute2,cron,openssh-server,ca-certificates,curl,bash,gzip,xz-utils,less
PACKAGES+=,nodejs,qemu-guest-agent

# Read by nobody in a guest, and each file costs plaso about 2 ms a case.
NOT_INSTALLED=(/usr/share/{man,doc,info,locale,i18n,zoneinfo,bash-completion,lintian,bug,pixmaps}/'*')
NOT_INSTALLED+=('/usr/lib/x86_64-linux-gnu/gconv/*' '/lib/udev/hwdb.d/*' '/usr/lib/udev/hwdb.d/*')

release=$(apt-get indextargets --format '$(CODENAME)' 'Created-By: Packages' 'Origin: Debian' | head -n 1)
if [[ -z $release ]]; then
  echo 'make-root-disk: apt has no package list of Debian: run apt-get update' >&2
  exit 1
fi

WORK=$(mktemp -d)
trap 'rm -rf "$WORK" "$OUT.tmp"' EXIT
chmod 755 "$WORK"
apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' \
  >"$WORK/sources.list"

options=(--variant=minbase --mode=auto --format=null --include="$PACKAGES")
options+=(--aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Languages "none"')
for pattern in "${NOT_INSTALLED[@]}"; do options+=(--dpkgopt="path-exclude=$pattern"); done
if [[ -d $HOOKS ]]; then options+=(--hook-dir="$HOOKS"); fi

root_mib=$((DISK_MIB - MIB_BEFORE_ROOT - MIB_AFTER_ROOT))
truncate -s "${root_mib}M" "$WORK/file-system"
chmod 666 "$WORK/file-system" # in a user namespace the hook below runs as another user
export FILE_SYSTEM KERNEL_VERSION KERNEL_PACKAGE HERE WORK
# mmdebstrap's shell expands the hooks, with the folder of the new system as its argument.
mmdebstrap "${options[@]}" \
  --customize-hook='bash "$HERE/configure-system.sh" "$1" "$KERNEL_VERSION" "$KERNEL_PACKAGE"' \
  --customize-hook='bash "$HERE/make-file-system.sh" "$1" "$FILE_SYSTEM" "$WORK/file-system"' \
  "$release" /dev/null "$WORK/sources.list"

rm -f "$OUT.tmp"
truncate -s "${DISK_MIB}M" "$OUT.tmp"
sfdisk -q --no-reread --no-tell-kernel "$OUT.tmp" <<TABLE
label: gpt
14: start=2048, size=6144, type=21686148-6449-6E6F-744E-656564454649
15: start=8192, size=24576, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
1: start=$((MIB_BEFORE_ROOT * 2048)), size=$((root_mib * 2048)), type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
TABLE
dd if="$WORK/file-system" of="$OUT.tmp" bs=1M seek="$MIB_BEFORE_ROOT" conv=notrunc,sparse status=none
mv "$OUT.tmp" "$OUT"
