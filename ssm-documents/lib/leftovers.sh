# What a run starts and lays down does not outlive it. Two ends leave no time for that: SIGKILL, which is how the agent
# cancels a command, goes to the script's process group, and its folder stays until the next run sweeps it; a crash of the
# machine empties a tmpfs by itself.

# end_descendants PROCESS: kills what it started, directly or not, in whichever process group; not the process itself.
end_descendants() {
  local stat line process parent found=" $1 " doomed=() grown=1
  local -A parents=()
  for stat in /proc/[0-9]*/stat; do
    # "1234 (name) S 1 ...", where the name may hold anything.
    read -r line 2>/dev/null <"$stat" || continue
    parent=${line##*) ? }
    process=${stat#/proc/}
    parents[${process%/stat}]=${parent%% *}
  done
  while ((grown)); do
    grown=0
    for process in "${!parents[@]}"; do
      [[ $found == *" ${parents[$process]} "* && $found != *" $process "* ]] || continue
      found+="$process "
      doomed+=("$process")
      grown=1
    done
  done
  if ((${#doomed[@]} > 0)); then kill -KILL "${doomed[@]}" 2>/dev/null || true; fi
}

# make_run_folder ROOT: prints the name of a fresh folder that carries this process in it.
make_run_folder() {
  mktemp -d "$1/forensics.$$.XXXXXX"
}

# sweep_leftovers ROOT: deletes the folders of runs that were killed: own ones, whose process is gone.
sweep_leftovers() {
  local folder process
  for folder in "$1"/forensics.*.??????; do
    [[ -d $folder && ! -L $folder && -O $folder ]] || continue
    process=${folder##*/forensics.}
    process=${process%%.*}
    [[ $process =~ ^[1-9][0-9]*$ && ! -e /proc/$process ]] || continue
    rm -rf "$folder"
  done
}
