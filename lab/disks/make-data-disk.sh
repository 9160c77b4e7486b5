#!/bin/bash
# make-data-disk.sh OUT.img SIZE_MIB LABEL
#
# A data volume: ext4 on the whole disk, without partitions, with a few ordinary files and one planted file
# (/exports/.staging/customers.tar.gz.part, what an intruder collected before taking it away).
# No root rights, no loop device, no mount. Needs e2fsprogs.
set -euo pipefail

OUT=$1 SIZE_MIB=$2 LABEL=$3
PATH=$PATH:/usr/sbin:/sbin
export TZ=UTC LC_ALL=C

command -v mke2fs >/dev/null || { echo 'make-data-disk: mke2fs is missing: apt-get install e2fsprogs' >&2; exit 1; }

WORK=$(mktemp -d)
trap 'rm -rf "$WORK" "$OUT.tmp"' EXIT
ROOT=$WORK/root

mkdir -p "$ROOT"/{app/config,exports/.staging,logs}
printf 'volume: %s\nlisten: 8080\n' "$LABEL" >"$ROOT/app/config/app.yaml"
for hour in 00 01 02; do
  printf '10.0.3.40 - - [17/Feb/2026:%s:05:00 +0000] "GET /health HTTP/1.1" 200 2\n' "$hour"
done >"$ROOT/logs/access.log"
printf 'id,name\n1,Example Customer\n' >"$ROOT/exports/customers.csv"
PLANTED=$ROOT/exports/.staging/customers.tar.gz.part
printf 'PLANTED_MALWARE_MARKER staged for exfiltration from %s\n' "$LABEL" >"$PLANTED"
find "$ROOT" -exec touch -d '2026-01-05 10:00:00' {} +
touch -d '2026-02-17 02:30:00' "$PLANTED"

truncate -s "${SIZE_MIB}M" "$OUT.tmp"
# A label of ext4 has at most 16 bytes.
mke2fs -q -F -t ext4 -L "${LABEL:0:16}" -E root_owner=0:0,lazy_itable_init=0,nodiscard -d "$ROOT" "$OUT.tmp"
mv "$OUT.tmp" "$OUT"
