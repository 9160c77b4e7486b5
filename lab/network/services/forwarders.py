"""What stands for VPC endpoints: ways from an address in a VPC to one server on this machine's loopback address."""

import asyncio
from urllib.parse import urlsplit

from namespace_sockets import end_when_silent

CHUNK = 256 * 1024
HEAD_LIMIT = 256 * 1024
# Each request has a connection of its own, so these two are said anew; the others belong to the hop (RFC 9110, 7.6.1).
HOP_HEADERS = {b"connection", b"proxy-connection", b"keep-alive", b"proxy-authorization"}


async def _pipe(reader, writer):
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


async def _both_ways(client, server):
    for_server = asyncio.ensure_future(_pipe(client[0], server[1]))
    for_client = asyncio.ensure_future(_pipe(server[0], client[1]))
    try:
        # Once the server has said all, nobody waits for the client's end.
        await for_client
    finally:
        for_server.cancel()
        for writer in (client[1], server[1]):
            writer.close()


async def forward(reader, writer, server):
    """Bytes as they come, to server (host, port) and back."""
    end_when_silent(writer.get_extra_info("socket"))
    try:
        upstream = await asyncio.open_connection(*server, limit=CHUNK)
    except OSError:
        writer.close()
        return
    await _both_ways((reader, writer), upstream)


def _refusal(status, text):
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def rewritten(head, server):
    """
    The head of a proxy request (absolute form, RFC 9112, 3.2.2) as the server gets it. Raises ValueError with the answer
    for the client when the request leads anywhere else.
    """
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    parts = lines[0].split(b" ")
    if len(parts) != 3:
        raise ValueError(_refusal("400 Bad Request", "no HTTP request"))
    method, target, version = parts
    url = urlsplit(target.decode("latin-1"))
    if method == b"CONNECT" or url.scheme != "http" or url.hostname is None:
        raise ValueError(_refusal("405 Method Not Allowed", "this proxy takes http:// URLs only"))
    if (url.hostname, url.port or 80) != server:
        raise ValueError(_refusal("403 Forbidden", f"this endpoint leads to {server[0]}:{server[1]} only"))
    # Not put together from its parts: a signature covers the query to the letter.
    origin = target[target.index(b"//") + 2 :]
    path = origin[origin.index(b"/") :] if b"/" in origin else b"/"
    kept = [line for line in lines[1:] if line.split(b":", 1)[0].strip().lower() not in HOP_HEADERS]
    return b"\r\n".join([b" ".join([method, path, version]), *kept, b"Connection: close"]) + b"\r\n\r\n"


async def proxy(reader, writer, server):
    """An HTTP proxy that leads to one server and nowhere else; one request a connection."""
    end_when_silent(writer.get_extra_info("socket"))
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        try:
            request = rewritten(head, server)
        except ValueError as refused:
            writer.write(refused.args[0] if isinstance(refused.args[0], bytes) else _refusal("400 Bad Request", "bad URL"))
            await writer.drain()
            writer.close()
            return
        upstream = await asyncio.open_connection(*server, limit=CHUNK)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        writer.close()
        return
    upstream[1].write(request)
    await _both_ways((reader, writer), upstream)
