#!/usr/bin/env python3
"""Writes the binary login records of the planted intrusion: wtmp, btmp and lastlog.

    login-records.py ROOT_FOLDER

Records are those of glibc on x86-64 (utmp(5), 384 bytes each; lastlog: 292 bytes per user id).
"""

import calendar
import socket
import struct
import sys
import time

BOOT, LOGIN_FAILED, LOGIN, LOGOUT = 2, 6, 7, 8
ATTACKER = "203.0.113.66"
EC2_USER_ID = 1000
LASTLOG_BYTES = 292


def at(clock):
    return calendar.timegm(time.strptime("2026-02-17 " + clock, "%Y-%m-%d %H:%M:%S"))


def utmp(kind, pid, line, line_id, user, host, when, address=""):
    packed = socket.inet_aton(address) if address else b""
    text = [value.encode() for value in (line, line_id, user, host)]
    return struct.pack("<hxxi32s4s32s256shhiii16s20x", kind, pid, *text, 0, 0, 0, when, 0, packed)


def main():
    logs = sys.argv[1] + "/var/log/"
    with open(logs + "wtmp", "wb") as file:
        file.write(utmp(BOOT, 0, "~", "~~", "reboot", "6.1.0", at("00:00:05")))
        file.write(utmp(LOGIN, 2110, "pts/0", "ts/0", "ec2-user", ATTACKER, at("02:13:05"), ATTACKER))
        file.write(utmp(LOGOUT, 2110, "pts/0", "ts/0", "", "", at("02:41:00")))
    with open(logs + "btmp", "wb") as file:
        for attempt in range(5):
            when = at("02:10:00") + 20 * attempt
            file.write(utmp(LOGIN_FAILED, 2095 + attempt, "ssh:notty", "", "admin", ATTACKER, when, ATTACKER))
    with open(logs + "lastlog", "wb") as file:
        file.write(bytes(LASTLOG_BYTES * EC2_USER_ID))
        file.write(struct.pack("<i32s256s", at("02:13:05"), b"pts/0", ATTACKER.encode()))


if __name__ == "__main__":
    main()
