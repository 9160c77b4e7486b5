#!/usr/bin/env python3
"""Prints a folder tree as a prototype for `mkfs.xfs -p` (mkfs.xfs(8)), since XFS cannot be filled without mounting it.

    xfs-prototype.py ROOT_FOLDER

Everything belongs to root, except a home folder: to user 1000. The format knows no spaces in names, and no sticky bit.
"""

import os
import stat
import sys


def print_folder(root, folder, indent):
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if " " in name:
            sys.exit(f"{path}: a prototype of mkfs.xfs cannot hold a name with a space")
        status = os.lstat(path)
        mode = f"{status.st_mode & 0o777:03o}"
        owner = "1000 1000" if path.startswith(f"{root}/home/ec2-user") else "0 0"
        if stat.S_ISDIR(status.st_mode):
            print(f"{indent}{name} d--{mode} {owner}")
            print_folder(root, path, indent + " ")
            print(f"{indent}$")
        elif stat.S_ISLNK(status.st_mode):
            print(f"{indent}{name} l--{mode} {owner} {os.readlink(path)}")
        elif stat.S_ISREG(status.st_mode):
            print(f"{indent}{name} ---{mode} {owner} {path}")


def main():
    root = sys.argv[1].rstrip("/")
    print("/dev/null\n0 0\nd--755 0 0")
    print_folder(root, root, " ")
    print("$\n$")


if __name__ == "__main__":
    main()
