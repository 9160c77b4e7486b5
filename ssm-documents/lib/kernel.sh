#include lib/report.sh
# The running kernel: its modules, and what it says of itself.

# Where /proc and /sys are looked up; a test, or a machine that stands for another one, has a folder.
SYSTEM_ROOT=${FORENSICS_SYSTEM_ROOT:-}

MODULE=''           # the acquisition module that this run deals with
MODULE_STATE=none   # none | unloaded | left-loaded: what became of it

kernel_taint() {
  local taint=''
  read -r taint 2>/dev/null <"$SYSTEM_ROOT/proc/sys/kernel/tainted" || true
  if [[ $taint =~ ^[0-9]+$ ]]; then printf '%s' "$taint"; else printf null; fi
}

is_loaded() {
  local name
  while read -r name _; do
    if [[ $name == "$1" ]]; then return 0; fi
  done <"$SYSTEM_ROOT/proc/modules"
  return 1
}

# How the clock is kept, as far as it can be read without asking a service: a question to timedatectl would start one.
# chronyd and timesyncd leave their marks in /run; the clock source is the kernel's own.
time_source() {
  local source='not known' daemon='no time service was found'
  read -r source 2>/dev/null <"$SYSTEM_ROOT/sys/devices/system/clocksource/clocksource0/current_clocksource" || true
  if [[ -e $SYSTEM_ROOT/run/chrony/chronyd.pid || -e $SYSTEM_ROOT/run/chronyd.pid ]]; then
    daemon='chronyd runs'
  elif [[ -e $SYSTEM_ROOT/run/systemd/timesync/synchronized ]]; then
    daemon='systemd-timesyncd has synchronized the clock'
  elif [[ -d $SYSTEM_ROOT/run/systemd/timesync ]]; then
    daemon='systemd-timesyncd has not synchronized the clock'
  elif [[ -e $SYSTEM_ROOT/run/ntpd.pid ]]; then
    daemon='ntpd runs'
  fi
  printf 'clock source %s; %s' "$source" "$daemon"
}

# Agents may run with a PATH without the folders of administration programs.
administration_program() {
  PATH=$PATH:/usr/sbin:/sbin command -v "$1"
}

# prepare_module NAME: one that a killed run left behind goes first.
prepare_module() {
  local program
  for program in insmod rmmod; do
    administration_program "$program" >/dev/null ||
      fail missing-program "$program is not installed on this instance, and nothing is installed during a case."
  done
  [[ $1 =~ ^[A-Za-z0-9_]+$ ]] || fail bad-manifest 'The name of the kernel module is not one.'
  if is_loaded "$1"; then
    "$(administration_program rmmod)" "$1" 2>/dev/null ||
      fail module-refused "A kernel module $1 is loaded and cannot be removed: another acquisition may be running."
  fi
  MODULE=$1
}

# load_module FILE PARAMETER...
load_module() {
  exec "$(administration_program insmod)" "$@"
}

# Removes the module if it is there. Where the loading was killed, the kernel needs a moment until it lets go of it.
unload_module() {
  local tries
  [[ -n $MODULE ]] || return 0
  for tries in 1 2 3 4 5; do
    is_loaded "$MODULE" || break
    MODULE_STATE=left-loaded
    if "$(administration_program rmmod)" "$MODULE" 2>/dev/null; then
      MODULE_STATE=unloaded
      break
    fi
    sleep "$tries"
  done
  MODULE=''
}

# What decides whether a kernel takes a module.
module_rules() {
  local lockdown='not known' disabled='not known'
  read -r lockdown 2>/dev/null <"$SYSTEM_ROOT/sys/kernel/security/lockdown" || true
  read -r disabled 2>/dev/null <"$SYSTEM_ROOT/proc/sys/kernel/modules_disabled" || true
  printf 'lockdown: %s; modules_disabled: %s' "$lockdown" "$disabled"
}

# pack_kernel_facts FOLDER ARCHIVE: what symbols are made of and an image is held against. Files of /proc have no size until
# they are read, so that they are copied first. What is not there is left out. On failure its last line says why.
pack_kernel_facts() {
  local name source
  local -A sources=(
    [version]=/proc/version [iomem]=/proc/iomem [modules]=/proc/modules [cmdline]=/proc/cmdline
    [kallsyms]=/proc/kallsyms [btf]=/sys/kernel/btf/vmlinux
  )
  for name in tar gzip cat; do
    command -v "$name" >/dev/null 2>&1 || { echo "$name is not installed"; return 1; }
  done
  mkdir "$1" || return 1
  for name in "${!sources[@]}"; do
    source=$SYSTEM_ROOT${sources[$name]}
    [[ -r $source ]] || continue
    cat "$source" >"$1/$name" || return 1
  done
  tar -C "$1" -cf - . | gzip -6 >"$2" || return 1
  rm -rf "$1"
}
