#!/bin/bash
# make-disk.sh OUT.img ext4|xfs intrusion|clean [LAYOUT [EXTRA_FOLDER]]
#
# A raw disk with a small Linux system, with or without the planted intrusion. LAYOUT:
#   partitions      like the root volume of an Amazon Linux instance (the default): GPT with p1 (root), p127 (BIOS boot)
#                   and p128 (EFI; both empty here)
#   whole-disk      the file system on the whole disk, no partition table
#   lvm-partition   GPT with one partition that is a physical volume of LVM: logical volumes root, srv (data) and swap
#   lvm-whole-disk  the same physical volume on the whole disk
# All times are fixed, so that its timeline is the same on every run; only the journal has random ids in it.
# EXTRA_FOLDER is copied to /usr/share/extra (many files, for measuring).
#
# No root rights, no loop device, no mount, no lvm2, no network. Needs e2fsprogs, fdisk, python3; for xfs also xfsprogs.
# With systemd-journal-remote the disk also has a systemd journal; without it that is left out, and said so.
set -euo pipefail

OUT=$1 FILE_SYSTEM=$2 SCENARIO=$3 LAYOUT=${4:-partitions} EXTRA=${5:-}
HERE=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin:/sbin:/usr/lib/systemd:/lib/systemd
export TZ=UTC LC_ALL=C

QUIET_DAY='2026-01-05 10:00:00'
DISK_ID=11111111-2222-4333-8444
ROOT_ID=22222222-2222-4333-8444-555555555555
MACHINE_ID=$(cat "$HERE/content/base/etc/machine-id")
MIB_BEFORE_ROOT=10
MIB_AFTER_ROOT=6
MIB_OF_DATA=16
MIB_OF_SWAP=4
# Of lvm2's metadata, and of what its last extent may leave over.
MIB_OF_METADATA=2
SMALLEST_XFS_MIB=310 # mkfs.xfs refuses less than 300

fail() {
  echo "make-disk: $*" >&2
  exit 1
}

need() {
  command -v "$1" >/dev/null || fail "$1 is missing: apt-get install $2"
}

need sfdisk fdisk
need python3 python3
case $FILE_SYSTEM in
  ext4) need mke2fs e2fsprogs && need debugfs e2fsprogs ;;
  xfs) need mkfs.xfs xfsprogs && need xfs_db xfsprogs ;;
  *) fail "file system \"$FILE_SYSTEM\" is not known: ext4 or xfs" ;;
esac
[[ $SCENARIO == intrusion || $SCENARIO == clean ]] || fail "scenario \"$SCENARIO\" is not known: intrusion or clean"

case $LAYOUT in
  partitions | whole-disk) ;;
  lvm-partition | lvm-whole-disk) need mke2fs e2fsprogs && need mkswap util-linux ;;
  *) fail "layout \"$LAYOUT\" is not known: partitions, whole-disk, lvm-partition or lvm-whole-disk" ;;
esac

WORK=$(mktemp -d)
trap 'rm -rf "$WORK" "$OUT.tmp"' EXIT
ROOT=$WORK/root

fill_root() {
  mkdir -p "$ROOT"/{bin,boot,dev,etc/cron.d,proc,root/.ssh,run,sys,tmp,usr/bin,usr/local/sbin,usr/share}
  mkdir -p "$ROOT"/var/{lib/cloud/data,log/audit,log/journal,spool/cron,tmp}
  cp -R "$HERE/content/base/." "$ROOT"
  if [[ $SCENARIO == intrusion ]]; then
    cp -R "$HERE/content/intrusion/." "$ROOT"
    python3 "$HERE/login-records.py" "$ROOT"
    if command -v systemd-journal-remote >/dev/null; then
      mkdir -p "$ROOT/var/log/journal/$MACHINE_ID"
      python3 "$HERE/journal-export.py" "$MACHINE_ID" |
        systemd-journal-remote -o "$ROOT/var/log/journal/$MACHINE_ID/system.journal" - >/dev/null 2>&1
    else
      echo 'make-disk: systemd-journal-remote is missing, the disk has no systemd journal' >&2
    fi
    chmod 755 "$ROOT/usr/local/sbin/.sysupd" "$ROOT/tmp/.X11-cache"
    chmod 600 "$ROOT/root/.ssh/authorized_keys"
  fi
  cp "$ROOT/var/log/auth.log" "$ROOT/var/log/secure"
  cp "$ROOT/var/log/syslog" "$ROOT/var/log/messages"
  chmod 600 "$ROOT/etc/shadow"
  chmod 1777 "$ROOT/tmp" "$ROOT/var/tmp"
}

set_times() {
  find "$ROOT" -exec touch -h -d "$QUIET_DAY" {} +
  [[ $SCENARIO == intrusion ]] || return 0
  local day clock file
  while read -r day clock file; do
    [[ $day == '#'* || ! -e $ROOT/$file ]] || touch -h -d "$day $clock" "$ROOT/$file"
  done <"$HERE/content/times.txt"
}

# mke2fs -d keeps owner and time of the builder's files; debugfs then sets owners, and all four times.
make_ext4() {
  local file=$1 path time owner field
  E2FSPROGS_FAKE_TIME=$(date -d "$QUIET_DAY" +%s)
  export E2FSPROGS_FAKE_TIME
  mke2fs -q -t ext4 -L / -U "$ROOT_ID" \
    -E "hash_seed=33333333-2222-4333-8444-555555555555,root_owner=0:0,lazy_itable_init=0,nodiscard" -d "$ROOT" "$file"
  (cd "$ROOT" && find . -mindepth 1 -printf '%P\t%T@\n') | while IFS=$'\t' read -r path time; do
    owner=0
    [[ $path == home/ec2-user* ]] && owner=1000
    printf 'set_inode_field "/%s" uid %s\nset_inode_field "/%s" gid %s\n' "$path" "$owner" "$path" "$owner"
    for field in mtime atime ctime crtime; do
      printf 'set_inode_field "/%s" %s @%s\n' "$path" "$field" "${time%%.*}"
    done
  done >"$WORK/commands"
  debugfs -w -f "$WORK/commands" "$file" >/dev/null 2>&1
}

make_xfs() {
  local file=$1
  python3 "$HERE/xfs-prototype.py" "$ROOT" >"$WORK/prototype"
  mkfs.xfs -q -f -K -i size=512 -L / -m "uuid=$ROOT_ID,bigtime=1" -p "$WORK/prototype" "$file"
  python3 "$HERE/xfs-inode-times.py" "$ROOT" "$file"
}

partition_table() {
  sfdisk -q --no-reread --no-tell-kernel "$OUT.tmp"
}

lay_out_partitions() {
  truncate -s "$((MIB_BEFORE_ROOT + mib + MIB_AFTER_ROOT))M" "$OUT.tmp"
  partition_table <<TABLE
label: gpt
label-id: $DISK_ID-555555555555
127: start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name="BIOS Boot Partition", uuid=$DISK_ID-000000000127
128: start=4096, size=16384, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI System Partition", uuid=$DISK_ID-000000000128
1: start=$((MIB_BEFORE_ROOT * 2048)), size=$((mib * 2048)), type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="Linux", uuid=$DISK_ID-000000000001
TABLE
  dd if="$WORK/file-system" of="$OUT.tmp" bs=1M seek="$MIB_BEFORE_ROOT" conv=notrunc,sparse status=none
}

lay_out_whole_disk() {
  mv "$WORK/file-system" "$OUT.tmp"
}

# lay_out_logical_volumes START_MIB: into $OUT.tmp, which is long enough.
lay_out_logical_volumes() {
  "$HERE/make-data-disk.sh" "$WORK/srv" "$MIB_OF_DATA" srv
  truncate -s "${MIB_OF_SWAP}M" "$WORK/swap"
  mkswap -q -U "$ROOT_ID" "$WORK/swap"
  python3 "$HERE/logical-volumes.py" "$OUT.tmp" "$(($1 << 20))" "$((physical_mib << 20))" vg0 \
    root="$WORK/file-system" srv="$WORK/srv" swap="$WORK/swap"
}

lay_out_lvm_partition() {
  truncate -s "$((1 + physical_mib + 1))M" "$OUT.tmp"
  partition_table <<TABLE
label: gpt
label-id: $DISK_ID-555555555555
1: start=2048, size=$((physical_mib * 2048)), type=E6D6D379-F507-44C2-A23C-238F2A3DF928, name="Linux LVM", uuid=$DISK_ID-000000000001
TABLE
  lay_out_logical_volumes 1
}

lay_out_lvm_whole_disk() {
  truncate -s "${physical_mib}M" "$OUT.tmp"
  lay_out_logical_volumes 0
}

fill_root
set_times
if [[ -n $EXTRA ]]; then cp -a "$EXTRA" "$ROOT/usr/share/extra"; fi

kib=$(du -sk --apparent-size "$ROOT" | cut -f1)
mib=$((kib / 1024 + kib / 4096 + 40))
if [[ $FILE_SYSTEM == xfs && $mib -lt $SMALLEST_XFS_MIB ]]; then mib=$SMALLEST_XFS_MIB; fi
physical_mib=$((mib + MIB_OF_DATA + MIB_OF_SWAP + MIB_OF_METADATA))

truncate -s "${mib}M" "$WORK/file-system"
"make_$FILE_SYSTEM" "$WORK/file-system"
rm -f "$OUT.tmp"
"lay_out_${LAYOUT//-/_}"
mv "$OUT.tmp" "$OUT"
