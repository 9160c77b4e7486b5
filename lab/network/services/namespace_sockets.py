"""Listening sockets inside network namespaces, served by a process that stays outside.

A socket belongs to the namespace in which it was made: the thread enters the namespace, makes it, and goes back (setns(2)).
So one process listens in every VPC and still reaches the lab's servers on this machine's loopback address.
"""

import ctypes
import os
import socket
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000
NAMESPACES = "/run/netns"
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")


@contextmanager
def inside(namespace):
    """Only for code that neither waits nor starts threads: the whole thread is in the other network meanwhile."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        other = os.open(f"{NAMESPACES}/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(other)
        finally:
            os.close(other)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def tcp_listener(namespace, address, port):
    with inside(namespace):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    return _bound(listener, address, port, listen=True)


def udp_socket(namespace, address, port):
    with inside(namespace):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    return _bound(receiver, address, port, listen=False)


def _bound(made, address, port, listen):
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        if listen:
            made.listen(128)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def end_when_silent(connection):
    """A peer that an isolation cut off never says goodbye: the kernel gives it up after about a minute."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60_000)
