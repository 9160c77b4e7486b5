#include lib/report.sh
# Transfers by curl. A URL reaches curl on its standard input, never on a command line, where every user sees it in ps.

# A transfer that stands still for a minute is tried again; a slow one is not cut off.
CURL_OPTIONS=(--silent --show-error --fail --globoff --connect-timeout 10 --speed-limit 1 --speed-time 60)
ATTEMPTS=6
HTTP_STATUS='' # of the last answer; 000 where there was none

# Nothing that ends a quoted value of a curl configuration.
URL_PATTERN='^https?://[A-Za-z0-9._~:/?#@!$&()*+,;=%-]+$'
usable_url() {
  [[ $1 =~ $URL_PATTERN ]]
}

# run_curl URL OPTION...: curl's own words go to standard error, cleaned. Tried again after a broken connection and an
# overloaded server, not after a refusal (curl's own --retry-all-errors makes no difference, and old versions lack it).
run_curl() {
  local url=$1 said code attempt
  shift
  usable_url "$url" || { echo 'the URL is not usable' >&2; return 3; }
  for ((attempt = 1; ; attempt++)); do
    code=0
    said=$(printf 'url = "%s"\n' "$url" |
      curl -q "${CURL_OPTIONS[@]}" --config - --write-out '%{http_code}' "$@" 2>&1) || code=$?
    HTTP_STATUS=${said: -3}
    [[ $code != 0 ]] || return 0
    case $HTTP_STATUS in
      408 | 429) ;;
      4[0-9][0-9]) break ;;
    esac
    ((attempt < ATTEMPTS)) || break
    sleep "$((1 << (attempt - 1)))"
  done
  printf '%s\n' "$(plain_text "${said%???}")" >&2
  return "$code"
}

# download URL FILE
download() {
  run_curl "$1" --output "$2"
}

# upload URL FILE: one PUT with Content-Length. Without "Expect", large bodies are not held back for a second.
upload() {
  run_curl "$1" --header 'Expect:' --upload-file "$2"
}

sha256_of() {
  local digest
  digest=$(sha256sum <"$1")
  printf '%s' "${digest%% *}"
}

size_of() {
  local bytes
  bytes=$(wc -c <"$1")
  printf '%s' "$((bytes))"
}
