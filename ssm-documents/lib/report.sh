# How a document speaks: short lines that the activity which sent the command reads back from its standard output. Run
# Command keeps 24,000 characters of it, so these lines stay few. None ever holds a URL: pre-signed ones are bearer secrets.
set -euo pipefail
umask 077
export LC_ALL=C

# Printable ASCII only, at most 300 characters, URLs taken out: what a tool prints may be chosen by an attacker.
plain_text() {
  local text=${1//[^[:print:]]/ } word plain=''
  set -f
  for word in $text; do
    case $word in *://*) word='[URL]' ;; esac
    plain="$plain${plain:+ }$word"
  done
  set +f
  printf '%s' "${plain:0:300}"
}

# fail CODE SENTENCE: the last words of a document that did not do its work.
fail() {
  printf 'FORENSICS-FAILURE %s %s\n' "$1" "$(plain_text "$2")"
  exit 1
}

json_string() {
  local text
  text=$(plain_text "$1")
  text=${text//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

require_programs() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 ||
      fail missing-program "$program is not installed on this instance, and nothing is installed during a case."
  done
}
