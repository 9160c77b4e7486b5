#include lib/manifest.sh
#include lib/leftovers.sh
# What examinations share: a folder of work, the forensic image's tools, and a summary of what ran and how it ended.

TOOLS=${FORENSIC_TOOLS:-/opt/forensic-tools/bin}
WORK=''
STARTED=$SECONDS
FACTS=()     # members of the summary, as JSON
TOOL_RUNS=() # one JSON object a tool
OUTCOME=failed

clean_up() {
  local mark
  # Whole process groups too: the tools' workers ignore SIGTERM, and may have outlived the one that started them.
  for mark in ${WORK:+"$WORK"/running.*}; do kill -KILL -- "-${mark##*.}" 2>/dev/null || true; done
  end_descendants $$
  if [[ -n $WORK ]]; then rm -rf "$WORK"; fi
}
trap clean_up EXIT
trap 'exit 143' HUP INT TERM

begin_examination() {
  local tool
  require_programs curl sha256sum mktemp timeout setpriv gzip wc grep sed head tail od readlink
  for tool in "$@"; do
    [[ -x $TOOLS/$tool ]] || fail missing-tool "$tool is not in $TOOLS: this instance does not run the forensic image."
  done
  sweep_leftovers "${TMPDIR:-/var/tmp}"
  WORK=$(make_run_folder "${TMPDIR:-/var/tmp}")
  fetch_manifest "$WORK/manifest"
  follow_manifests "$WORK/manifest" "$MANIFEST_INTERVAL" </dev/null >/dev/null 2>&1 &
}

seconds_left() {
  printf '%s' "$((EXECUTION_TIMEOUT - SECONDS + STARTED))"
}

# run_within SECONDS COMMAND...: as a process group of its own (that is what `timeout` makes), killed as a whole; then 137.
# The agent's SIGKILL at a cancellation does not reach that group; the kernel's signal at a parent's death does. SIGALRM is
# what tells `timeout` that the time is over.
run_within() {
  local seconds=$1 group code=0
  shift
  # In the background, since a shell that waits for a foreground command hears no signal.
  setpriv --pdeathsig ALRM timeout --signal=KILL "$((seconds > 1 ? seconds : 1))" "$@" &
  group=$!
  : >"$WORK/running.$group"
  wait "$group" || code=$?
  rm -f "$WORK/running.$group"
  return "$code"
}

# fact NAME JSON
fact() {
  FACTS+=("\"$1\":$2")
}

# upload_output NAME FILE: where the manifest has a place for it. Fails when the place cannot be written.
upload_output() {
  local left
  [[ -n ${OUTPUT_URLS[$1]:-} ]] || return 0
  left=$(($(seconds_left) - 15))
  if ((MANIFEST_PATIENCE > left)); then MANIFEST_PATIENCE=$((left > 0 ? left : 0)); fi
  if upload_as_planned "$2" "$WORK/manifest" output "$1"; then return 0; fi
  # What was waited for once in vain is not waited for again at every output.
  MANIFEST_PATIENCE=0
  return 1
}

# output_members NAME FILE: the JSON members that tell where a tool's result is and what it must hash to.
output_members() {
  printf '"output":%s,"sha256":"%s","sizeBytes":%s' "$(json_string "$1")" "$(sha256_of "$2")" "$(size_of "$2")"
}

# tool_run TOOL VERSION OUTCOME RECORDS SECONDS NOTE [OUTPUT_MEMBERS]
tool_run() {
  local run
  run="{\"tool\":$(json_string "$1"),\"version\":$(json_string "$2"),\"outcome\":\"$3\",\"records\":$4,\"seconds\":$5"
  if [[ -n $6 ]]; then run+=",\"note\":$(json_string "$6")"; fi
  TOOL_RUNS+=("$run${7:+,$7}}")
}

joined() {
  local IFS=,
  printf '%s' "$*"
}

# write_summary OUTCOME [REASON]
write_summary() {
  OUTCOME=$1
  {
    printf '{"form":1,"case":%s,"exhibit":%s,"outcome":"%s",' "$(json_string "$CASE_ID")" "$(json_string "$EXHIBIT_ID")" "$1"
    if [[ -n ${2:-} ]]; then printf '"reason":%s,' "$(json_string "$2")"; fi
    if ((${#FACTS[@]} > 0)); then printf '%s,' "$(joined "${FACTS[@]}")"; fi
    printf '"tools":[%s]}\n' "$(joined ${TOOL_RUNS[@]+"${TOOL_RUNS[@]}"})"
  } >"$WORK/summary.json"
  upload_output summary.json "$WORK/summary.json"
}

# give_up CODE SENTENCE: nothing useful came out; the summary says so too.
give_up() {
  write_summary failed "$2" || true
  fail "$1" "$2"
}

end_examination() {
  printf 'FORENSICS-RESULT {"outcome":"%s","tools":%d,"summarySha256":"%s"}\n' \
    "$OUTCOME" "${#TOOL_RUNS[@]}" "$(sha256_of "$WORK/summary.json")"
}
