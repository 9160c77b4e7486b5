#include lib/transfer.sh
# The manifest (domain/manifest.ts): what this run may read and where it may write, line by line. It is a bearer secret.
# Its URLs live an hour at most, so the worker keeps a younger one where `next` says, and this run goes on with that.

# Seconds between two looks for a younger manifest: often enough that its URL, an hour old at most, is still good.
MANIFEST_INTERVAL=${FORENSICS_MANIFEST_INTERVAL:-600}
# Seconds that a missing or expired upload URL is waited for: a worker that was lost has been replaced by then.
MANIFEST_PATIENCE=${FORENSICS_MANIFEST_PATIENCE:-900}

declare -A OUTPUT_URLS=()
PART_URLS=()
NEXT_MANIFEST=''
PART_SIZE=''
MANIFEST_TOOLS=() # of the manifest that was read last: "KIND NAME VERSION SHA256 URL [KERNEL_RELEASE]"
INPUT_SHA256='' INPUT_SIZE='' INPUT_URL=''

# read_manifest FILE: sets the variables above; fails when the manifest is of another form or of another case.
# shellcheck disable=SC2034 # each document reads the variables that it needs
read_manifest() {
  local keyword first second third fourth rest manifest_case='' form=''
  NEXT_MANIFEST='' PART_URLS=() MANIFEST_TOOLS=()
  while read -r keyword first second third fourth rest; do
    case $keyword in
      forensics-manifest) form=$first ;;
      case) manifest_case=$first ;;
      tool) MANIFEST_TOOLS+=("$first $second $third $fourth $rest") ;;
      part-size) PART_SIZE=$first ;;
      part) [[ $first =~ ^[1-9][0-9]{0,4}$ ]] && PART_URLS[first]=$second ;;
      next) NEXT_MANIFEST=$first ;;
      input) INPUT_SHA256=$second INPUT_SIZE=$third INPUT_URL=$fourth ;;
      output) OUTPUT_URLS[$first]=$second ;;
    esac
  done <"$1"
  [[ $form == 1 ]] || fail bad-manifest 'What the manifest URL gave is not a manifest of form 1.'
  [[ $manifest_case == "$CASE_ID" ]] || fail wrong-case "The manifest is not of case $CASE_ID."
}

# fetch_manifest FILE: the first one. Keeps the response's headers beside it, for the server's clock.
fetch_manifest() {
  run_curl "$MANIFEST_URL" --dump-header "$1.headers" --output "$1" ||
    fail manifest-unreachable 'The manifest could not be fetched: its URL has expired, or this instance does not reach S3.'
  read_manifest "$1"
}

# Local time minus the server's in whole seconds, from the manifest's response; `null` where that cannot be told.
clock_offset() {
  local line server='' local_time
  local_time=$(date +%s)
  while read -r line; do
    line=${line%$'\r'}
    if [[ $line =~ ^[Dd]ate:\ (.+)$ ]]; then server=${BASH_REMATCH[1]}; fi
  done <"$1.headers"
  [[ -n $server ]] || { printf null; return; }
  server=$(date -u -d "$server" +%s 2>/dev/null || date -u -D '%a, %d %b %Y %T' -d "$server" +%s 2>/dev/null) ||
    { printf null; return; }
  printf '%d' "$((local_time - server))"
}

# renew_manifest FILE: replaces FILE by what its `next` names. Fails while nothing sound is there; 403 and 404 mean "not yet".
renew_manifest() {
  local fresh=$1.$BASHPID
  # The reading is tried in a shell of its own, since it ends the shell when the manifest is not sound.
  if [[ -n $NEXT_MANIFEST ]] && ATTEMPTS=1 run_curl "$NEXT_MANIFEST" --max-time 60 --output "$fresh" 2>/dev/null &&
    (read_manifest "$fresh") >/dev/null; then
    mv "$fresh" "$1"
    read_manifest "$1"
  else
    rm -f "$fresh"
    return 1
  fi
}

# follow_manifests FILE SECONDS: keeps FILE young, for ever; to be run in the background, and to be read before each use.
follow_manifests() {
  while sleep "$2"; do
    read_manifest "$1"
    renew_manifest "$1" || true
  done
}

# upload_url part NUMBER | output NAME: the URL for it in the manifest that was read last, if it has one.
upload_url() {
  if [[ $1 == part ]]; then printf '%s' "${PART_URLS[$2]:-}"; else printf '%s' "${OUTPUT_URLS[$2]:-}"; fi
}

# wait_for_upload_url FILE REFUSED_URL part NUMBER | output NAME: until the manifest in FILE, or a younger one, has a URL for
# it that is not the refused one. Fails when there is none in time, or none to be expected.
wait_for_upload_url() {
  local file=$1 refused=$2 deadline=$((SECONDS + MANIFEST_PATIENCE)) url
  shift 2
  read_manifest "$file"
  while url=$(upload_url "$@") && [[ -z $url || $url == "$refused" ]]; do
    if renew_manifest "$file" && url=$(upload_url "$@") && [[ -n $url && $url != "$refused" ]]; then return 0; fi
    [[ -n $NEXT_MANIFEST ]] && ((SECONDS < deadline)) || return 1
    sleep 1
    read_manifest "$file"
  done
}

# upload_as_planned FILE MANIFEST_FILE part NUMBER | output NAME: with the youngest URL. S3 refuses an expired one with 403, and
# one whose session has expired with 400; then a fresh one is waited for, as long as fresh ones come in time.
upload_as_planned() {
  local file=$1 manifest=$2 url='' deadline=''
  shift 2
  while wait_for_upload_url "$manifest" "$url" "$@"; do
    url=$(upload_url "$@")
    if upload "$url" "$file"; then return 0; fi
    [[ $HTTP_STATUS == 403 || $HTTP_STATUS == 400 ]] || return 1
    deadline=${deadline:-$((SECONDS + MANIFEST_PATIENCE))}
    ((SECONDS < deadline)) || return 1
  done
  return 1
}
