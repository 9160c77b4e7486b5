#include lib/examination.sh
# Runs Volatility 3 over one memory image, on a forensic instance. Each plugin has its own result, its own time and its
# own failure. Given: MANIFEST_URL, CASE_ID, EXHIBIT_ID, EXECUTION_TIMEOUT, PLUGINS (comma-separated).

PLUGIN_SECONDS=900 # at most, for one plugin
CHECK_PLUGIN=linux.pslist

fetch_image() {
  IMAGE=$WORK/image
  [[ -n $INPUT_URL && $INPUT_SIZE =~ ^[0-9]+$ ]] || fail bad-manifest 'The manifest names no memory image.'
  download "$INPUT_URL" "$IMAGE" || give_up image-unreachable 'The memory image could not be fetched.'
  [[ $(size_of "$IMAGE") == "$INPUT_SIZE" && $(sha256_of "$IMAGE") == "$INPUT_SHA256" ]] ||
    give_up image-altered 'The memory image that arrived has another size or SHA-256 than the exhibit.'
}

# Volatility can miss the kernel's banner where it straddles two Snappy frames, so a compressed image is laid out first.
convert_image() {
  [[ $(head -c 4 "$IMAGE") == AVML ]] || return 0
  [[ -x $TOOLS/avml ]] || give_up compressed-image "The image is compressed by AVML, and $TOOLS holds no avml to convert it."
  run_within "$(seconds_left)" "$TOOLS/avml" convert --source-format lime_compressed --format lime "$IMAGE" "$IMAGE.lime" \
    >"$WORK/convert.log" 2>&1 || give_up conversion-failed "AVML could not convert the image: $(tail -n 1 "$WORK/convert.log")"
  mv "$IMAGE.lime" "$IMAGE"
  fact converted true
}

resolve_symbols() {
  local started=$SECONDS code=0 line
  mkdir "$WORK/symbols"
  run_within "$(seconds_left)" "$TOOLS/forensic-symbols" "$IMAGE" "$WORK/symbols" \
    >"$WORK/symbols.json" 2>"$WORK/symbols.log" || code=$?
  if [[ $code != 0 ]]; then
    tool_run forensic-symbols 1 failed 0 "$((SECONDS - started))" "$(tail -n 1 "$WORK/symbols.log")"
    give_up no-symbols "There are no symbols for this kernel: $(tail -n 1 "$WORK/symbols.log")"
  fi
  line=$(tail -n 1 "$WORK/symbols.json")
  tool_run forensic-symbols 1 succeeded 1 "$((SECONDS - started))" ''
  [[ $line =~ \"kernel\":\ \"([^\"]*)\" ]] && fact kernel "$(json_string "${BASH_REMATCH[1]}")"
  [[ $line =~ \"banner\":\ \"([^\"]*)\" ]] && fact banner "$(json_string "${BASH_REMATCH[1]}")"
  fact symbols '"made from the image itself (BTF and kallsyms)"'
  # Volatility prints nothing and reports success on such an image: silence would pass for a clean instance.
  [[ $line != *'"fiveLevelPaging": true'* ]] ||
    give_up five-level-paging 'The kernel used 5-level page tables, which this version of Volatility cannot read.'
}

# volatility PLUGIN [ARGUMENT...]: one run; leaves PLUGIN.raw and .err in the folder of work.
volatility() {
  local plugin=$1 budget
  shift
  budget=$(($(seconds_left) - 30))
  if ((budget > PLUGIN_SECONDS)); then budget=$PLUGIN_SECONDS; fi
  run_within "$budget" "$TOOLS/vol" -q --offline --cache-path "$WORK/$plugin.cache" -s "$WORK/symbols" -f "$IMAGE" \
    -r jsonl "$plugin" "$@" >"$WORK/$plugin.raw" 2>"$WORK/$plugin.err" </dev/null
}

# An image is taken while the machine runs, so that a process may have changed under it, and a plugin ends at the first one
# that it cannot follow. These plugins can be told which processes to read.
process_option() {
  case $1 in
    linux.psaux | linux.bash | linux.envars | linux.malware.malfind | linux.malware.process_spoofing) echo --pid ;;
    linux.sockstat) echo --pids ;;
  esac
}

# by_processes PLUGIN OPTION PID...: reads these processes; halves them where a run fails, down to the ones that cannot be
# read. Those go into PLUGIN.unreadable, the rows of the others into PLUGIN.rows.
by_processes() {
  local plugin=$1 option=$2 code=0 half
  shift 2
  volatility "$plugin" "$option" "$@" || code=$?
  if [[ $code == 0 ]]; then
    cat "$WORK/$plugin.raw" >>"$WORK/$plugin.rows"
  elif (($(seconds_left) < 60)); then
    return 1
  elif (($# == 1)); then
    printf '%s\n' "$1" >>"$WORK/$plugin.unreadable"
  else
    half=$(($# / 2))
    by_processes "$plugin" "$option" "${@:1:half}" || return 1
    by_processes "$plugin" "$option" "${@:half+1}" || return 1
  fi
}

# run_plugin PLUGIN: leaves PLUGIN.jsonl, .err, .status and maybe .unreadable in the folder of work.
run_plugin() {
  local plugin=$1 started=$SECONDS code=0 option pids=()
  # A cache of its own, since two runs that write one cache at a time block each other; filled by the first run of all.
  mkdir -p "$WORK/cache"
  cp -R "$WORK/cache" "$WORK/$plugin.cache"
  volatility "$plugin" || code=$?
  option=$(process_option "$plugin")
  if [[ -n $option && $code != 0 && $code != 137 ]]; then
    cp "$WORK/$plugin.err" "$WORK/$plugin.whole"
    mapfile -t pids < <(sed -n 's/.*"PID": \([0-9]*\),.*/\1/p' "$WORK/$CHECK_PLUGIN.jsonl")
    : >"$WORK/$plugin.rows"
    if by_processes "$plugin" "$option" "${pids[@]}" && [[ -s $WORK/$plugin.rows ]]; then
      mv "$WORK/$plugin.rows" "$WORK/$plugin.raw"
      code=0
    fi
    mv "$WORK/$plugin.whole" "$WORK/$plugin.err"
  fi
  sed '/^$/d' "$WORK/$plugin.raw" >"$WORK/$plugin.jsonl"
  if [[ $plugin == "$CHECK_PLUGIN" ]]; then cp -R "$WORK/$plugin.cache/." "$WORK/cache"; fi
  rm -rf "$WORK/$plugin.cache" "$WORK/$plugin.raw"
  printf '%s %s\n' "$code" "$((SECONDS - started))" >"$WORK/$plugin.status"
}

# The last thing that a plugin said, but for the line that Volatility ends every failure with.
last_words() {
  grep -v -e '^ *$' -e '^No further results' "$WORK/$1.err" | tail -n 1 || true
}

# collect_plugin PLUGIN: uploads what it printed and notes how it ended.
collect_plugin() {
  local plugin=$1 code seconds records version='' note='' outcome=succeeded members=''
  read -r code seconds <"$WORK/$plugin.status"
  records=$(grep -c . "$WORK/$plugin.jsonl" || true)
  version=$(sed -n 's/^Volatility 3 Framework \([0-9.]*\).*/\1/p' "$WORK/$plugin.err" | head -n 1)
  if [[ $code == 137 ]]; then
    outcome=failed note="It did not end within its time and was killed after $seconds s."
  elif [[ $code != 0 ]]; then
    outcome=failed note="It ended with status $code: $(last_words "$plugin")"
  elif [[ -z ${OUTPUT_URLS[$plugin.jsonl]:-} ]]; then
    outcome=failed note='The manifest has no place for its result.'
  elif upload_output "$plugin.jsonl" "$WORK/$plugin.jsonl"; then
    if [[ -s $WORK/$plugin.unreadable ]]; then
      note="Could not read process $(paste -s -d ' ' "$WORK/$plugin.unreadable"), which changed while the image was taken: $(last_words "$plugin")"
    fi
    members=$(output_members "$plugin.jsonl" "$WORK/$plugin.jsonl")
  else
    outcome=failed note='Its result could not be uploaded.'
  fi
  if [[ $outcome == succeeded ]]; then SUCCEEDED=$((SUCCEEDED + 1)); else FAILED=$((FAILED + 1)); fi
  tool_run "$plugin" "$version" "$outcome" "$records" "$seconds" "$note" "$members"
  printf 'FORENSICS-PROGRESS plugin=%s outcome=%s records=%s seconds=%s\n' "$plugin" "$outcome" "$records" "$seconds"
}

# A list of processes without the first one is a failed analysis, whatever the exit status says.
check_process_list() {
  local why
  run_plugin "$CHECK_PLUGIN"
  if ! grep -q '"PID": 1,' "$WORK/$CHECK_PLUGIN.jsonl"; then
    why=$(last_words "$CHECK_PLUGIN")
    tool_run "$CHECK_PLUGIN" '' failed 0 "$((SECONDS - STARTED))" "Its output has no process 1. $why"
    give_up unreadable-image "Volatility finds no process 1, so nothing it says of this image can be trusted. $why"
  fi
}

run_plugins() {
  local plugin wanted=() waiting=() running processes
  IFS=, read -r -a wanted <<<"$PLUGINS"
  for plugin in "${wanted[@]}"; do
    if [[ $plugin != "$CHECK_PLUGIN" ]]; then waiting+=("$plugin"); fi
  done
  if [[ ,$PLUGINS, == *",$CHECK_PLUGIN,"* ]]; then collect_plugin "$CHECK_PLUGIN"; fi
  # Two at a time: while one reads the image from the disk, the other one computes.
  while ((${#waiting[@]} > 0)); do
    running=("${waiting[@]:0:2}")
    waiting=("${waiting[@]:2}")
    processes=()
    for plugin in "${running[@]}"; do
      run_plugin "$plugin" &
      processes+=("$!")
    done
    # Not for all: the manifest is followed in the background too.
    wait "${processes[@]}" || true
    for plugin in "${running[@]}"; do collect_plugin "$plugin"; done
  done
}

examine_memory() {
  SUCCEEDED=0 FAILED=0
  begin_examination vol forensic-symbols
  fetch_image
  convert_image
  resolve_symbols
  check_process_list
  run_plugins
  ((SUCCEEDED > 0)) || give_up no-plugin-succeeded 'No plugin gave a result.'
  write_summary "$( ((FAILED == 0)) && echo succeeded || echo partial)" ||
    fail upload-failed 'The summary could not be uploaded.'
  end_examination
}

examine_memory
