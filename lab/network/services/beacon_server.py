"""The far end of the planted intrusion's session: a server of ours in the lab's internet, at 203.0.113.66 (RFC 5737, an address
for documentation, so that no real machine is ever meant).

TCP 443, sessions of lines (UTF-8, ending in a line feed; no TLS):
    client sends one line at its own pace, such as one a second; any text of at most 1,000 bytes
    server answers each with "ok N", N being the number of lines of this session so far
    the line "bye" ends the session; it stays open otherwise, however long the client is silent
TCP 80, HTTP/1.1: GET /NAME answers 200 with a short text, HEAD alike, anything else 405. One request a connection.

Sessions and requests are counted as they come in: who (as seen from the internet, so after address translation), since when,
lines, bytes in both directions, and when the last line came. They are kept in one JSON file; see Beacon.view.
"""

import asyncio
import json
import os
import time
from datetime import datetime, timezone

LINE_LIMIT = 1000
KEPT_ENTRIES = 1000
WRITE_EVERY_SECONDS = 0.2


def now():
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Beacon:
    def __init__(self, file):
        self.file = file
        self.sessions, self.requests = [], []
        self.written_at, self.pending = 0.0, None

    def view(self):
        """{"sessions": [{from, port, openedAt, lastLineAt, lines, bytesIn, bytesOut, open}], "requests": [...]}"""
        return {"sessions": self.sessions, "requests": self.requests}

    def changed(self):
        """Writes the file soon, but not at every line."""
        if self.pending is None:
            wait = max(0.0, self.written_at + WRITE_EVERY_SECONDS - time.monotonic())
            self.pending = asyncio.get_running_loop().call_later(wait, self.write)

    def write(self):
        self.pending, self.written_at = None, time.monotonic()
        temporary = f"{self.file}.new"
        with open(temporary, "w", encoding="utf-8") as output:
            json.dump(self.view(), output, indent=1)
        os.replace(temporary, self.file)

    async def session(self, reader, writer):
        address, port = writer.get_extra_info("peername")
        entry = {
            "from": address, "port": port, "openedAt": now(), "lastLineAt": None,
            "lines": 0, "bytesIn": 0, "bytesOut": 0, "open": True,
        }  # fmt: skip
        self.sessions.append(entry)
        del self.sessions[:-KEPT_ENTRIES]
        self.changed()
        try:
            while True:
                line = await reader.readuntil(b"\n")
                entry["lines"] += 1
                entry["bytesIn"] += len(line)
                entry["lastLineAt"] = now()
                if line.strip() == b"bye":
                    break
                reply = f"ok {entry['lines']}\n".encode()
                writer.write(reply)
                await writer.drain()
                entry["bytesOut"] += len(reply)
                self.changed()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass
        finally:
            entry["open"] = False
            self.changed()
            writer.close()

    async def request(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target = (head.split(b"\r\n")[0].split(b" ") + [b"", b""])[:2]
            known = method in (b"GET", b"HEAD")
            body = b"lab\n" if known else b"method not allowed\n"
            status = "200 OK" if known else "405 Method Not Allowed"
            answer = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(answer.encode() + (b"" if method == b"HEAD" else body))
            await writer.drain()
            self.requests.append(
                {
                    "at": now(),
                    "from": writer.get_extra_info("peername")[0],
                    "method": method.decode("latin-1")[:20],
                    "target": target.decode("latin-1")[:500],
                }
            )
            del self.requests[:-KEPT_ENTRIES]
            self.changed()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass
        finally:
            writer.close()
