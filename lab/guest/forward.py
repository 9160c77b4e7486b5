#!/usr/bin/env python3
"""A guest's only way out where the lab has no network of its own: an HTTP forward proxy to a few ports of this machine.

    forward.py PORT...          the proxy
    forward.py --through PORT   no proxy: all bytes go to this one port, and back

QEMU starts one for every connection that the guest makes to its proxy address, with the connection as stdin and
stdout. A request in absolute form (RFC 9112, 3.2.2) for http://127.0.0.1:PORT/ goes on to that port in origin form;
anything else is answered with 403. One request per connection: "Connection: close" is added, so that the client never
sends a second request to this process. Python's standard library only, and little of it: it starts in about 30 ms.
"""

import os
import select
import socket
import sys

HEAD_LIMIT = 65536
BLOCK = 262144
STDIN, STDOUT = 0, 1


def read_head():
    """The request up to and with the empty line, and the bytes that already came after it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = os.read(STDIN, BLOCK)
        if not more or len(data) + len(more) > HEAD_LIMIT + BLOCK:
            return None, b""
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    return (head, rest) if len(head) <= HEAD_LIMIT else (None, b"")


def write_all(data):
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(STDOUT, view) :]
        except BlockingIOError:
            select.select([], [STDOUT], [])


def refuse(status, reason):
    body = (reason + "\n").encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    write_all(head.encode() + body)


def target_of(request_line, ports):
    """(port, request line in origin form), or None where the target is not one of ours."""
    parts = request_line.split(b" ")
    if len(parts) != 3 or not parts[1].startswith(b"http://"):
        return None
    authority, slash, path = parts[1][len(b"http://") :].partition(b"/")
    host, colon, port = authority.partition(b":")
    if host not in (b"127.0.0.1", b"localhost") or not port.isdigit() or int(port) not in ports:
        return None
    return int(port), b" ".join([parts[0], b"/" + path, parts[2]])


def relay(upstream):
    """Copies both ways until the server has closed (or nobody is left to read)."""
    readable = [STDIN, upstream]
    while upstream in readable:
        ready, _, _ = select.select(readable, [], [])
        if upstream in ready:
            data = upstream.recv(BLOCK)
            if not data:
                return
            write_all(data)
        if STDIN in ready:
            data = os.read(STDIN, BLOCK)
            if data:
                upstream.sendall(data)
            else:
                readable.remove(STDIN)
                upstream.shutdown(socket.SHUT_WR)


def through(port):
    with socket.create_connection(("127.0.0.1", port)) as upstream:
        relay(upstream)


def main():
    if sys.argv[1] == "--through":
        through(int(sys.argv[2]))
        return
    ports = {int(port) for port in sys.argv[1:]}
    head, rest = read_head()
    if head is None:
        return
    lines = head.split(b"\r\n")
    target = target_of(lines[0], ports)
    if target is None:
        refuse("403 Forbidden", "The lab forwards http://127.0.0.1 on its own ports only.")
        return
    port, request_line = target
    hop_by_hop = (b"connection:", b"proxy-connection:", b"keep-alive:")
    headers = [line for line in lines[1:] if not line.lower().startswith(hop_by_hop)]
    try:
        upstream = socket.create_connection(("127.0.0.1", port))
    except OSError as error:
        refuse("502 Bad Gateway", f"Nothing answers on port {port} of the lab: {error}")
        return
    with upstream:
        upstream.sendall(b"\r\n".join([request_line, *headers, b"Connection: close", b"", b""]) + rest)
        relay(upstream)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, ConnectionError):
        pass  # one side went away: there is nobody to tell
