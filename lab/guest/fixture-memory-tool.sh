#!/bin/sh
# fixture-memory-tool acquire FILE|-
#
# FIXTURE, NOT AN ACQUISITION: stands in for AVML on instances of kind "fixture", on machines without QEMU. It has AVML's
# command line, and writes the ready memory image that LAB_FIXTURE_MEMORY names to FILE (a FIFO, a file, or - for stdout).
# The image is real evidence of another machine, with unread pages zeroed: test/fixtures/README.md.
set -eu

if [ "${1:-}" = --version ]; then
  echo 'avml 0.21.0 (fixture: hands out a ready image)'
  exit 0
fi
if [ $# -ne 2 ] || [ "$1" != acquire ]; then
  echo 'usage: fixture-memory-tool acquire FILE|-   (a fixture: it knows no other option of AVML)' >&2
  exit 2
fi
if [ ! -r "${LAB_FIXTURE_MEMORY:-}" ]; then
  echo "fixture-memory-tool: LAB_FIXTURE_MEMORY=\"${LAB_FIXTURE_MEMORY:-}\" is no readable file" >&2
  exit 1
fi
echo 'fixture-memory-tool: this is a ready image, nothing is acquired from this machine' >&2
if [ "$2" = - ]; then
  exec cat "$LAB_FIXTURE_MEMORY"
fi
exec cat "$LAB_FIXTURE_MEMORY" >"$2"
