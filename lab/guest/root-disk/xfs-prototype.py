#!/usr/bin/env python3
"""Prints a system's folder tree as a prototype for `mkfs.xfs -p` (mkfs.xfs(8)): XFS cannot be filled without mounting it.

    xfs-prototype.py ROOT_FOLDER

Owners and permissions are the tree's own. The format has no sticky bit (systemd sets that of /tmp at each boot), no
extended attributes, and no hard links: each name becomes a file.
"""

import os
import stat
import sys


def entry_mode(kind, mode):
    set_user = "u" if mode & stat.S_ISUID else "-"
    set_group = "g" if mode & stat.S_ISGID else "-"
    return f"{kind}{set_user}{set_group}{mode & 0o777:03o}"


def print_folder(folder, indent):
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        status = os.lstat(path)
        owner = f"{status.st_uid} {status.st_gid}"
        kind = {stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFREG: "-"}.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            continue  # a device or a socket: those of a running system are made at its boot
        if any(blank in path for blank in " \t\n"):
            sys.exit(f"{path}: a prototype of mkfs.xfs cannot hold a name with a blank")
        line = f"{indent}{name} {entry_mode(kind, status.st_mode)} {owner}"
        if kind == "d":
            print(line)
            print_folder(path, indent + " ")
            print(f"{indent}$")
        else:
            print(line, os.readlink(path) if kind == "l" else path)


def main():
    print("/dev/null\n0 0\nd--755 0 0")
    print_folder(sys.argv[1].rstrip("/"), " ")
    print("$\n$")


if __name__ == "__main__":
    main()
