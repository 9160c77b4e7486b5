#include lib/manifest.sh
#include lib/leftovers.sh
# Reads this instance's memory once and streams it into a multipart upload, part by part. Written for RFC 3227: nothing
# of it touches the instance's disks, nothing is installed, no credentials are used; at most two parts lie in memory.
# Works with GNU coreutils and with BusyBox. Given: MANIFEST_URL, CASE_ID.
#include lib/kernel.sh

WORK=''
UPLOAD='' # the process that uploads a part
TOOL_KIND='' TOOL_NAME='' TOOL_VERSION='' TOOL_SHA256='' TOOL_URL=''

clean_up() {
  end_descendants $$
  unload_module
  if [[ -n $WORK ]]; then rm -rf "$WORK"; fi
}
trap clean_up EXIT
trap 'exit 143' HUP INT TERM

# A fresh folder on a tmpfs that may hold programs; hardened systems mount one or the other `noexec`.
make_working_folder() {
  local root kind folder
  for root in /dev/shm /run; do
    kind=$(stat -f -c %T "$root" 2>/dev/null) || continue
    [[ $kind == tmpfs ]] || continue
    sweep_leftovers "$root"
    folder=$(make_run_folder "$root" 2>/dev/null) || continue
    printf '#!/bin/sh\nexit 0\n' >"$folder/probe"
    chmod 700 "$folder/probe"
    if "$folder/probe" 2>/dev/null; then
      rm "$folder/probe"
      WORK=$folder
      return
    fi
    rm -rf "$folder"
  done
  fail no-working-folder 'Neither /dev/shm nor /run is a tmpfs that may hold programs; the disks of a suspect are not written to.'
}

# Two parts must fit beside the tool.
check_space() {
  local line available
  line=$(df -Pk "$WORK" | tail -n 1)
  read -r _ _ _ available _ <<<"$line"
  ((available * 1024 > 2 * PART_SIZE)) ||
    fail no-space "The tmpfs has $available KiB left, which is less than two parts of $PART_SIZE bytes."
}

# choose_tool: the first one of the manifest that fits this kernel.
choose_tool() {
  local tool release running
  running=$(uname -r)
  for tool in ${MANIFEST_TOOLS[@]+"${MANIFEST_TOOLS[@]}"}; do
    read -r TOOL_KIND TOOL_NAME TOOL_VERSION TOOL_SHA256 TOOL_URL release <<<"$tool"
    case $TOOL_KIND in
      program) return ;;
      kernel-module) [[ $release != "$running" ]] || return 0 ;;
    esac
  done
  [[ -n $TOOL_NAME ]] || fail bad-manifest 'The manifest names no tool.'
  fail no-tool-for-kernel "There is no $TOOL_NAME for kernel $running."
}

# A module gives the memory away while it is being loaded. `timeout=0`: LiME pads the rest of a range with zeros once a page
# takes longer than that, and here a page waits for the upload of those before it.
start_tool() {
  if [[ $TOOL_KIND == kernel-module ]]; then
    load_module "$WORK/tool" "path=$WORK/stream" format=lime timeout=0
  else
    exec "$WORK/tool" acquire "$WORK/stream"
  fi
}

# Runs the tool and holds the stream's writing end until it has ended: its end is the stream's end, even if it never opens it.
run_tool() {
  local tool code=0
  start_tool >"$WORK/tool.log" 2>&1 4>&- &
  tool=$!
  wait "$tool" || code=$?
  exit "$code"
}

start_reading() {
  mkfifo "$WORK/stream" "$WORK/to-hash" "$WORK/to-cut"
  # Opened for both first, so that neither end waits for the other one.
  exec 5<>"$WORK/stream"
  exec 3<"$WORK/stream"
  exec 4>"$WORK/stream"
  exec 5>&-
  run_tool 3<&- &
  TOOL_PROCESS=$!
  exec 4>&-
  sha256sum <"$WORK/to-hash" >"$WORK/digest" 3<&- &
  HASH_PROCESS=$!
  tee "$WORK/to-hash" <&3 >"$WORK/to-cut" &
  TEE_PROCESS=$!
  exec 3<&- 5<"$WORK/to-cut"
}

# The largest usual block that parts are a whole number of.
block_size() {
  local block
  for block in 1048576 65536 4096 512; do
    if ((PART_SIZE % block == 0)); then
      printf '%s' "$block"
      return
    fi
  done
  printf 1
}

finish_upload() {
  [[ -n $UPLOAD ]] || return 0
  wait "$UPLOAD" || fail upload-failed "Part $UPLOADING could not be uploaded; the image is not whole."
  UPLOAD=''
}

# A few lines at first, then one in half a minute.
report_progress() {
  if ((PARTS <= 10 || (SECONDS - LAST_REPORT >= 30 && REPORTS < 200))); then
    printf 'FORENSICS-PROGRESS parts=%d bytes=%d\n' "$PARTS" "$BYTES"
    LAST_REPORT=$SECONDS
    REPORTS=$((REPORTS + 1))
  fi
}

# upload_part FILE NUMBER BYTES: with its digest noted first, as it lies here. Only one runs at a time, so that the lines are in order.
upload_part() {
  printf '%d %s %d\n' "$2" "$(sha256_of "$1")" "$3" >>"$WORK/part-digests"
  upload_as_planned "$1" "$WORK/manifest" part "$2"
}

# Cuts the stream into parts; while one is uploaded the next one is cut.
upload_stream() {
  local block part size cutting
  block=$(block_size)
  PARTS=0 BYTES=0 UPLOADING=0 LAST_REPORT=0 REPORTS=0
  while :; do
    part=$WORK/part.$((PARTS % 2))
    # In the background, since a shell that waits for a foreground command hears no signal.
    dd of="$part" bs="$block" count=$((PART_SIZE / block)) iflag=fullblock <&5 2>"$WORK/dd.log" &
    cutting=$!
    wait "$cutting" ||
      fail cutting-failed "A part could not be cut: $(tail -n 1 "$WORK/dd.log")"
    size=$(size_of "$part")
    ((size > 0)) || break
    PARTS=$((PARTS + 1)) BYTES=$((BYTES + size))
    finish_upload
    wait_for_upload_url "$WORK/manifest" '' part "$PARTS" ||
      fail no-upload-url "No upload URL for part $PARTS came within $MANIFEST_PATIENCE s, or none was planned."
    upload_part "$part" "$PARTS" "$size" 5<&- &
    UPLOAD=$! UPLOADING=$PARTS
    report_progress
    ((size == PART_SIZE)) || break
  done
  finish_upload
}

boot_time() {
  local keyword value
  while read -r keyword value _; do
    if [[ $keyword == btime ]]; then
      json_string "$(date -u -d "@$value" +%Y-%m-%dT%H:%M:%SZ)"
      return
    fi
  done </proc/stat
  printf null
}

# Why the tool ended badly: a kernel's refusal of a module is a reason of its own.
tool_failed() {
  local words
  words="$TOOL_NAME $TOOL_VERSION ended with status $1: $(tail -n 1 "$WORK/tool.log")"
  if [[ $TOOL_KIND == kernel-module ]]; then
    fail module-refused "$words ($(module_rules))"
  fi
  fail tool-failed "$words"
}

# upload_beside FILE NAME: an output beside the image, as JSON of what it is or why it is not there. Never costs the image.
upload_beside() {
  local reason
  if [[ -z ${OUTPUT_URLS[$2]:-} ]]; then
    reason='The manifest has no place for them.'
  elif ! upload_as_planned "$1" "$WORK/manifest" output "$2"; then
    reason='They could not be uploaded.'
  else
    printf '{"sha256":"%s","sizeBytes":%d}' "$(sha256_of "$1")" "$(size_of "$1")"
    return
  fi
  printf '{"reason":%s}' "$(json_string "$reason")"
}

# What the kernel says of itself.
collect_kernel_facts() {
  local archive=$WORK/kernel-facts.tar.gz reason
  rm -f "$WORK"/part.[01] "$WORK/tool"
  if reason=$(pack_kernel_facts "$WORK/kernel" "$archive" 2>&1); then
    upload_beside "$archive" kernel-facts.tar.gz
  else
    printf '{"reason":%s}' "$(json_string "They could not be packed: $reason")"
  fi
}

acquire_memory() {
  local offset time_source code digest taint digests facts tool
  require_programs curl dd sha256sum mktemp mkfifo tee wc date df tail stat uname mv
  make_working_folder
  fetch_manifest "$WORK/manifest"
  offset=$(clock_offset "$WORK/manifest")
  time_source=$(time_source)
  [[ $PART_SIZE =~ ^[1-9][0-9]{0,10}$ ]] || fail bad-manifest 'The manifest names no size of parts.'
  choose_tool
  check_space
  taint=$(kernel_taint)

  download "$TOOL_URL" "$WORK/tool" || fail tool-unreachable "The tool $TOOL_NAME $TOOL_VERSION could not be fetched."
  [[ $(sha256_of "$WORK/tool") == "$TOOL_SHA256" ]] ||
    fail wrong-tool "The tool $TOOL_NAME $TOOL_VERSION has another SHA-256 than the manifest says; it was not run."
  chmod 700 "$WORK/tool"
  if [[ $TOOL_KIND == kernel-module ]]; then prepare_module "$TOOL_NAME"; fi

  follow_manifests "$WORK/manifest" "$MANIFEST_INTERVAL" </dev/null >/dev/null 2>&1 &
  start_reading
  upload_stream
  code=0
  wait "$TOOL_PROCESS" || code=$?
  [[ $code == 0 ]] || tool_failed "$code"
  wait "$TEE_PROCESS" || fail stream-broken 'The image was not read to its end.'
  wait "$HASH_PROCESS" || fail hash-failed 'The SHA-256 of the image could not be computed.'
  ((BYTES > 0)) || fail empty-image "$TOOL_NAME $TOOL_VERSION ended well, but wrote nothing."
  read -r digest _ <"$WORK/digest"
  unload_module
  digests=$(upload_beside "$WORK/part-digests" part-digests.txt) || digests='{"reason":"They could not be uploaded."}'
  facts=$(collect_kernel_facts) || facts='{"reason":"They could not be collected."}'
  tool="{\"name\":$(json_string "$TOOL_NAME"),\"version\":$(json_string "$TOOL_VERSION"),\"sha256\":\"$TOOL_SHA256\"}"
  printf 'FORENSICS-RESULT {"sha256":"%s","sizeBytes":%d,"parts":%d,"clockOffset":%s,"kernel":%s,"bootTime":%s,' \
    "$digest" "$BYTES" "$PARTS" "$offset" "$(json_string "$(uname -r)")" "$(boot_time)"
  printf '"tool":%s,"module":"%s","taintBefore":%s,"taintAfter":%s,"timeSource":%s,"partDigests":%s,"kernelFacts":%s}\n' \
    "$tool" "$MODULE_STATE" "$taint" "$(kernel_taint)" "$(json_string "$time_source")" "$digests" "$facts"
}

acquire_memory
