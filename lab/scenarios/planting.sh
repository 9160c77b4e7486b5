#!/bin/bash
# Plants the traces of a scenario on an instance of the lab. planting-script.ts puts SCENARIO=NAME before these functions and
# a call of `plant` for each trace behind them. Needs bash, coreutils and gzip; no network but for a session's own.
#
# It refuses to run elsewhere than in the lab. Run again, it plants only what an earlier run did not come to.
# Prints a line per trace: planted or left-out, its id, and why it was left out; tabs between.
set -euo pipefail
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

if [[ ! -f /run/lab-instance ]]; then
  echo 'Nothing was planted: there is no /run/lab-instance, so this is no instance of the lab.' >&2
  exit 77
fi
STATE=/run/lab-planted/$SCENARIO
LEFT_OUT=''
mkdir -p "$STATE"

# plant ID FUNCTION ARGUMENT...
plant() {
  local id=$1
  shift
  if [[ ! -e $STATE/$id ]]; then
    LEFT_OUT=''
    "$@"
    printf '%s\n' "$LEFT_OUT" >"$STATE/$id"
  fi
  read -r LEFT_OUT <"$STATE/$id" || true
  if [[ -z $LEFT_OUT ]]; then printf 'planted\t%s\n' "$id"; else printf 'left-out\t%s\t%s\n' "$id" "$LEFT_OUT"; fi
}

# home_of USER
home_of() {
  local home
  home=$(getent passwd "$1" | cut -d: -f6 | head -n 1)
  printf '%s' "${home:-/home/$1}"
}

# own USER FILE...: where there is such a user.
own() {
  local user=$1
  shift
  if id "$user" >/dev/null 2>&1; then chown "$(id -u "$user"):$(id -g "$user")" "$@"; fi
}

# What was planted is to be in a snapshot that is taken next.
write_out() {
  if [[ -S /run/systemd/journal/socket ]]; then journalctl --sync; fi
  sync
}

# put_file SECONDS_SINCE_1970 MODE PATH TEXT
put_file() {
  mkdir -p "$(dirname "$3")"
  printf '%s' "$4" >"$3"
  chmod "$2" "$3"
  touch -d "@$1" "$3"
}

# append_log FILE LINES: traditional syslog lines, in which HOST stands for this machine's name.
append_log() {
  mkdir -p "$(dirname "$1")"
  printf '%s\n' "${2//@HOST@/${HOSTNAME%%.*}}" >>"$1"
}

# append_records FILE BASE64
append_records() {
  base64 -d <<<"$2" >>"$1"
}

# failed_log_ins LINES RECORDS
failed_log_ins() {
  append_log /var/log/auth.log "$1"
  append_records /var/log/btmp "$2"
}

# log_in LINES RECORDS
log_in() {
  append_log /var/log/auth.log "$1"
  append_records /var/log/wtmp "$2"
}

# journal_lines PROGRAM LINES
journal_lines() {
  if [[ ! -S /run/systemd/journal/socket ]]; then
    LEFT_OUT='no systemd journal runs here'
    return
  fi
  logger -t "$1" -p authpriv.info <<<"$2"
}

# authorized_key SECONDS USER LINE
authorized_key() {
  local folder
  folder=$(home_of "$2")/.ssh
  mkdir -p "$folder"
  printf '%s\n' "$3" >>"$folder/authorized_keys"
  chmod 700 "$folder"
  chmod 600 "$folder/authorized_keys"
  own "$2" "$folder" "$folder/authorized_keys"
  touch -d "@$1" "$folder/authorized_keys"
}

# systemd_unit SECONDS NAME TEXT
systemd_unit() {
  local wants=/etc/systemd/system/multi-user.target.wants
  put_file "$1" 644 "/etc/systemd/system/$2.service" "$3"
  mkdir -p "$wants"
  ln -sf "/etc/systemd/system/$2.service" "$wants/$2.service"
  if [[ -d /run/systemd/system ]]; then
    systemctl daemon-reload
    systemctl start --no-block "$2.service"
  fi
}

# account SECONDS NAME PASSWD_LINE LOG_LINE: its password is locked, so that nobody can log in with it.
account() {
  printf '%s\n' "$3" >>/etc/passwd
  printf '%s:!:%s:0:99999:7:::\n' "$2" "$(($1 / 86400))" >>/etc/shadow
  touch -d "@$1" /etc/passwd /etc/shadow
  append_log /var/log/auth.log "$4"
}

# shell_history SECONDS USER LINES
shell_history() {
  local file
  file=$(home_of "$2")/.bash_history
  mkdir -p "$(dirname "$file")"
  printf '%s\n' "$3" >>"$file"
  chmod 600 "$file"
  own "$2" "$file"
  touch -d "@$1" "$file"
}

# emptied_log SECONDS FILE
emptied_log() {
  mkdir -p "$(dirname "$2")"
  : >"$2"
  touch -d "@$1" "$2"
}

# within SECONDS COMMAND...: waits until it succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

has_prompt() {
  grep -q "\[$1\]" "$STATE/screen"
}

# open_shell COUNT LINES: an interactive shell whose history lies in its memory only. Nothing of what is in the history was
# run: each of the lines is a `history -s`. Nothing keeps the shell's input open but the shell itself.
open_shell() {
  mkfifo "$STATE/keyboard"
  # Opened for both ways, so that the shell never sees the end of its input.
  HISTFILE=/dev/null HISTSIZE=1000 PS1='[\#] ' setsid bash --noprofile --norc -i \
    <>"$STATE/keyboard" >"$STATE/screen" 2>&1 &
  printf '%s\n' "$2" >"$STATE/keyboard"
  within 60 has_prompt "$(($1 + 1))" || {
    echo 'The open shell did not take its lines.' >&2
    exit 1
  }
}

is_gone() {
  [[ ! -e $1 ]]
}

# program PATH BASE64_OF_GZIP COUNT VARIABLE... ARGUMENT...: COUNT variables of its environment. It removes its own file.
program() {
  local path=$1 code=$2 count=$3
  shift 3
  mkdir -p "$(dirname "$path")"
  base64 -d <<<"$code" | gzip -dc >"$path"
  chmod 755 "$path"
  setsid env -i PATH="$PATH" HOME=/root "${@:1:count}" "$path" "${@:count+1}" </dev/null >"$STATE/program" 2>&1 &
  within 60 is_gone "$path" || {
    echo "The planted program did not start: $(tail -n 1 "$STATE/program")" >&2
    exit 1
  }
}

# has_session PEER: the peer as /proc/net/tcp writes it; 01 is ESTABLISHED.
has_session() {
  grep -q " $1 01 " /proc/net/tcp
}

# session PEER WORDS
session() {
  within 60 has_session "$1" || LEFT_OUT="no session to $2 was there within 60 s"
}
