#!/bin/bash
# First process inside a sandbox: sandbox-init DELAY [AGENT COMMAND...]. Starts the SSM agent and starts it again when it ends,
# as systemd does with amazon-ssm-agent; without a command it only keeps the instance up. Bash collects orphaned processes.
# While /run/ssm-agent-stopped exists the agent is not started.
set -u
delay=$1
shift
sleep "$delay"
while true; do
  if (($# == 0)); then
    sleep 3600
    continue
  fi
  if [[ -e /run/ssm-agent-stopped ]]; then
    sleep 0.2
    continue
  fi
  "$@"
  echo "SSM agent ended with code $?, starting it again" >&2
  sleep 1
done
