#!/usr/bin/env python3
"""Prints the systemd journal of the planted intrusion in the Journal Export Format (systemd.io/JOURNAL_EXPORT_FORMATS).

    journal-export.py MACHINE_ID | systemd-journal-remote -o system.journal -
"""

import calendar
import sys
import time

BOOT_ID = "b0070000000040008000000000000001"
ENTRIES = [
    ("02:13:05", "sshd", 2110, "Accepted password for ec2-user from 203.0.113.66 port 50144 ssh2"),
    ("02:14:21", "sudo", 2144, "ec2-user : TTY=pts/0 ; PWD=/home/ec2-user ; USER=root ; COMMAND=/bin/bash"),
    ("02:16:01", "crond", 2201, "(root) CMD (/usr/local/sbin/.sysupd >/dev/null 2>&1)"),
    ("02:16:05", "systemd", 1, "Started sysupd.service - System update helper."),
]


def microseconds(clock):
    return calendar.timegm(time.strptime("2026-02-17 " + clock, "%Y-%m-%d %H:%M:%S")) * 1000000


def main():
    booted = microseconds("00:00:05")
    for number, (clock, identifier, pid, message) in enumerate(ENTRIES):
        when = microseconds(clock)
        fields = {
            "__CURSOR": f"s=1;i={number}",
            "__REALTIME_TIMESTAMP": when,
            "__MONOTONIC_TIMESTAMP": when - booted,
            "_BOOT_ID": BOOT_ID,
            "_MACHINE_ID": sys.argv[1],
            "_HOSTNAME": "ip-10-0-3-17",
            "PRIORITY": 6,
            "SYSLOG_IDENTIFIER": identifier,
            "_PID": pid,
            "MESSAGE": message,
        }
        print("\n".join(f"{name}={value}" for name, value in fields.items()), end="\n\n")


if __name__ == "__main__":
    main()
