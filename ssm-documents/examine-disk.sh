#include lib/examination.sh
# Makes one timeline of one evidence volume with plaso, on a forensic instance. The volume is read as a device and never
# mounted. Given: MANIFEST_URL, CASE_ID, EXHIBIT_ID, VOLUME_ID, EXECUTION_TIMEOUT.

DEVICE_DIR=${FORENSICS_DEVICE_DIR:-/dev/disk/by-id}
# What the preset for Linux leaves out: web servers, databases, editors, containers, AWS's own logs.
PARSERS=linux,text/apache_access,text/postgresql,text/viminfo,text/cri_log,text/aws_elb_access,jsonl/aws_cloudtrail_log
# Volumes with more encrypted areas than this are not read.
MOST_ENCRYPTED=64

# Nitro instances name a volume by its id without the dash (EC2 User Guide, "Map Amazon EBS volumes to NVMe device names").
find_device() {
  local name=nvme-Amazon_Elastic_Block_Store_${VOLUME_ID//-/} waited=0
  until [[ -e $DEVICE_DIR/$name ]]; do
    ((waited < 60)) || give_up no-device "The volume $VOLUME_ID is not attached to this instance: $name does not appear."
    sleep 1
    waited=$((waited + 1))
  done
  DEVICE=$(readlink -f "$DEVICE_DIR/$name")
}

require_read_only() {
  local mode
  if [[ -b $DEVICE ]]; then
    require_programs blockdev
    blockdev --setro "$DEVICE" || true
    [[ $(blockdev --getro "$DEVICE") == 1 ]] || give_up writable-evidence "The device of $VOLUME_ID cannot be set read-only."
  elif [[ -f $DEVICE ]]; then
    # A superuser may write what the mode forbids; then the mode decides, since nothing here overrides it.
    mode=$(stat -c %A "$DEVICE")
    [[ ! -w $DEVICE || $mode != *w* ]] || give_up writable-evidence "What stands for $VOLUME_ID is a file that can be written."
  else
    give_up no-device "What stands for $VOLUME_ID is neither a block device nor a file."
  fi
}

device_size() {
  if [[ -b $DEVICE ]]; then blockdev --getsize64 "$DEVICE"; else stat -c %s "$DEVICE"; fi
}

# learn_layout [TIMELINE]: what lies on the volume, an area a line: HOLDS SIZE PLACE READ, with tabs. Empty where that fails.
learn_layout() {
  run_within "$(($(seconds_left) - 15))" "$TOOLS/volume-layout" "$DEVICE" "$@" >"$WORK/layout" 2>/dev/null </dev/null ||
    : >"$WORK/layout"
}

# holds PATTERN: whether an area of the layout does; the pattern is one of `grep -E` and names kinds.
holds() {
  grep -qE "^($1)"$'\t' "$WORK/layout"
}

# holds_only PATTERN
holds_only() {
  [[ -s $WORK/layout ]] && ! grep -qvE "^($1)"$'\t' "$WORK/layout"
}

layout_fact() {
  local kind size place state areas=()
  while IFS=$'\t' read -r kind size place state; do
    areas+=("{\"place\":\"$place\",\"sizeBytes\":$size,\"holds\":\"$kind\",\"timeline\":\"$state\"}")
  done <"$WORK/layout"
  fact areas "[$(joined ${areas[@]+"${areas[@]}"})]"
}

# One sentence on each area that may hold files and that the timeline says nothing of. Swap space holds none.
unread_areas() {
  local kind place state
  while IFS=$'\t' read -r kind _ place state; do
    [[ $state == unread ]] || continue
    case $kind in
      blank | boot | swap) ;;
      luks | bitlocker) printf '%s is encrypted (%s) and was not read. ' "$place" "$kind" ;;
      elsewhere) printf '%s lies on another volume, or on several, and was not read. ' "$place" ;;
      unknown) printf '%s holds nothing that is known and was not read. ' "$place" ;;
      *) printf '%s holds %s, of which nothing was read. ' "$place" "$kind" ;;
    esac
  done <"$WORK/layout"
}

# A number out of pinfo's JSON, by the path of its keys; 0 where there is none.
from_pinfo() {
  python3 - "$WORK/pinfo.json" "$@" <<'PYTHON'
import json, sys
try:
    value = json.load(open(sys.argv[1], encoding="utf8"))
    for key in sys.argv[2:]:
        value = value[key]
    print(sum(value.values()) if isinstance(value, dict) else int(value))
except (OSError, ValueError, KeyError, TypeError):
    print(0)
PYTHON
}

last_line() {
  grep . "$1" | tail -n 1 || true
}

# plaso's exit status says little: it is 0 for a missing source, a disk of zeros and a truncated image.
read_volume() {
  local started=$SECONDS code=0 version note='' warnings outcome=succeeded unattended=(-u)
  # Unattended, plaso reads nothing at all of a volume that has something encrypted on it. Attended, it asks, and is told to
  # leave that out.
  : >"$WORK/answers"
  if holds 'luks|bitlocker'; then
    unattended=(--vss_stores none)
    printf 'skip\n%.0s' $(seq "$MOST_ENCRYPTED") >"$WORK/answers"
  fi
  # Twice as fast on two cores as with workers; half a minute and a quarter of the time are kept for what follows.
  run_within "$((($(seconds_left) - 30) * 3 / 4))" "$TOOLS/log2timeline" "${unattended[@]}" --single_process --parsers "$PARSERS" \
    --hashers sha256 --partitions all --volumes all -z UTC --status_view none --logfile "$WORK/log2timeline.log.gz" \
    --storage_file "$WORK/storage.plaso" "$DEVICE" >"$WORK/log2timeline.out" 2>&1 <"$WORK/answers" || code=$?
  version=$("$TOOLS/log2timeline" --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p' | head -n 1)
  if [[ $code == 137 ]]; then
    tool_run log2timeline "$version" failed 0 "$((SECONDS - started))" 'It did not end within its time and was killed.'
    give_up timed-out "plaso did not read $VOLUME_ID within its time."
  fi
  "$TOOLS/pinfo" --output_format json "$WORK/storage.plaso" >"$WORK/pinfo.json" 2>/dev/null </dev/null || true
  EVENTS=$(from_pinfo storage_counters parsers total)
  warnings=$(from_pinfo storage_counters warnings_by_parser)
  if [[ $code != 0 ]]; then
    note="It ended with status $code: $(last_line "$WORK/log2timeline.out")" outcome=failed
  elif grep -q '^Traceback' "$WORK/log2timeline.out"; then
    note="It broke off a part of the volume: $(last_line "$WORK/log2timeline.out")" outcome=failed
  elif ((warnings > 0)); then
    note="$warnings files could not be read whole."
  fi
  tool_run log2timeline "$version" "$outcome" "$EVENTS" "$((SECONDS - started))" "$note" \
    "$([[ ! -s $WORK/storage.plaso ]] || output_members storage.plaso "$WORK/storage.plaso")"
  if [[ $outcome == failed ]]; then READ_FAULT=$note; fi
}

make_timeline() {
  local started=$SECONDS code=0 version of_the_image
  run_within "$(($(seconds_left) - 15))" "$TOOLS/psort" -u -q --status_view none --output_time_zone UTC \
    --logfile "$WORK/psort.log.gz" -o json_line -w "$WORK/timeline.jsonl" "$WORK/storage.plaso" \
    >"$WORK/psort.out" 2>&1 </dev/null || code=$?
  version=$("$TOOLS/psort" --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p' | head -n 1)
  [[ $code == 0 && -s $WORK/timeline.jsonl ]] || {
    tool_run psort "$version" failed 0 "$((SECONDS - started))" "It ended with status $code: $(last_line "$WORK/psort.out")"
    give_up no-timeline 'plaso read the volume, but its events could not be sorted into a timeline.'
  }
  EVENTS=$(wc -l <"$WORK/timeline.jsonl")
  # Where plaso knows no file system, it reads the device as one file: its only events are of that file.
  of_the_image=$(grep -c '"display_name": "OS:' "$WORK/timeline.jsonl" || true)
  if ((of_the_image == EVENTS)); then EVENTS=0; fi
  learn_layout "$WORK/timeline.jsonl"
  gzip -n "$WORK/timeline.jsonl"
  tool_run psort "$version" succeeded "$EVENTS" "$((SECONDS - started))" '' \
    "$(output_members timeline.jsonl.gz "$WORK/timeline.jsonl.gz")"
}

# nothing_to_read KIND SENTENCE: no file system was made here, which is no fault of the examination.
nothing_to_read() {
  fact fileSystem "\"$1\""
  write_summary succeeded "$1: $2" || fail upload-failed 'The summary could not be uploaded.'
  end_examination
}

examine_disk() {
  local reason
  READ_FAULT=''
  begin_examination log2timeline psort pinfo volume-layout
  require_programs python3 stat seq
  find_device
  require_read_only
  fact sizeBytes "$(device_size)"
  learn_layout
  read_volume
  if ((EVENTS > 0)); then make_timeline; fi
  layout_fact
  if ((EVENTS == 0)); then
    if holds 'luks|bitlocker'; then give_up encrypted-volume "$VOLUME_ID cannot be read without its key."; fi
    if [[ -z $READ_FAULT ]] && holds_only 'blank|boot'; then
      nothing_to_read no-file-system 'the first and the last MiB are zeros, so this is a blank data volume.'
      return
    fi
    if [[ -z $READ_FAULT ]] && holds_only 'swap|blank|boot'; then
      nothing_to_read swap-space 'it holds paged-out memory and no files, so there is no timeline to make of it.'
      return
    fi
    give_up no-events "plaso found no file system that it knows on $VOLUME_ID (damaged, or of a kind of its own?). $READ_FAULT"
  fi
  fact events "$EVENTS"
  upload_output timeline.jsonl.gz "$WORK/timeline.jsonl.gz" || give_up upload-failed 'The timeline could not be uploaded.'
  upload_output storage.plaso "$WORK/storage.plaso" || give_up upload-failed "plaso's storage could not be uploaded."
  reason="$(unread_areas)$READ_FAULT"
  write_summary "$([[ -z $reason ]] && echo succeeded || echo partial)" "$reason" ||
    fail upload-failed 'The summary could not be uploaded.'
  printf 'FORENSICS-PROGRESS events=%s\n' "$EVENTS"
  end_examination
}

examine_disk
