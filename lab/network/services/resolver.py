"""The resolver of a VPC (RFC 1035, queries of class IN): what stands for the Amazon-provided DNS server.

As on AWS no security group and no network ACL filters it (Amazon VPC User Guide, "DNS attributes for your VPC"; Amazon EC2
User Guide, "Security groups"): data can leave in the names that are asked for. So every query is written down.
"""

import asyncio
import struct

NO_ERROR, FORMAT_ERROR, NAME_ERROR, NOT_IMPLEMENTED = 0, 1, 3, 4
TYPE_A, TYPE_ANY, CLASS_IN = 1, 255, 1
RESPONSE, AUTHORITATIVE, RECURSION_DESIRED, RECURSION_AVAILABLE = 0x8000, 0x0400, 0x0100, 0x0080
TYPE_NAMES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 255: "ANY"}
LIFETIME_SECONDS = 60
HEADER = struct.Struct("!HHHHHH")


def question(message):
    """Name (lower case, no final dot), type, class and end of the first question."""
    position, labels = HEADER.size, []
    while True:
        length = message[position]
        if length == 0:
            break
        if length > 63:
            raise ValueError("a question holds no compressed names")
        label = message[position + 1 : position + 1 + length]
        if len(label) != length:
            raise ValueError("a label is cut off")
        labels.append(label.decode("ascii", "backslashreplace").lower())
        position += 1 + length
    kind, of_class = struct.unpack_from("!HH", message, position + 1)
    return ".".join(labels), kind, of_class, position + 5


def found(names, name):
    """Address of a name; an entry "*.domain" stands for every name below it."""
    if name in names:
        return names[name]
    labels = name.split(".")
    for start in range(1, len(labels)):
        address = names.get("*." + ".".join(labels[start:]))
        if address is not None:
            return address
    return None


def answer(message, names):
    """The answer to a query, and what to write down of it. None for what is no query."""
    if len(message) < HEADER.size:
        return None, None
    query_id, flags, questions, _, _, _ = HEADER.unpack_from(message)
    if flags & RESPONSE:
        return None, None
    answered = RESPONSE | AUTHORITATIVE | RECURSION_AVAILABLE | (flags & RECURSION_DESIRED)
    if (flags >> 11) & 0xF != 0 or questions != 1:
        return HEADER.pack(query_id, answered | NOT_IMPLEMENTED, 0, 0, 0, 0), None
    try:
        name, kind, of_class, end = question(message)
    except (ValueError, IndexError, struct.error):
        return HEADER.pack(query_id, answered | FORMAT_ERROR, 0, 0, 0, 0), None
    address = found(names, name) if of_class == CLASS_IN else None
    code = NAME_ERROR if address is None else NO_ERROR
    records = b""
    if address is not None and kind in (TYPE_A, TYPE_ANY):
        # 0xC00C: the name as it stands in the question.
        value = bytes(int(part) for part in address.split("."))
        records = struct.pack("!HHHIH", 0xC00C, TYPE_A, CLASS_IN, LIFETIME_SECONDS, len(value)) + value
    header = HEADER.pack(query_id, answered | code, 1, 1 if records else 0, 0, 0)
    asked = {"name": name, "type": TYPE_NAMES.get(kind, str(kind)), "answer": address}
    return header + message[HEADER.size : end] + records, asked


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, names, written_down):
        self.names, self.written_down = names, written_down

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        reply, asked = answer(data, self.names)
        if asked is not None:
            self.written_down({**asked, "from": peer[0], "protocol": "udp"})
        if reply is not None:
            self.transport.sendto(reply, peer)


async def over_tcp(reader, writer, names, written_down):
    """Each message behind its length (RFC 1035, 4.2.2)."""
    peer = writer.get_extra_info("peername")
    try:
        while True:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            reply, asked = answer(await reader.readexactly(length), names)
            if asked is not None:
                written_down({**asked, "from": peer[0], "protocol": "tcp"})
            if reply is None:
                break
            writer.write(struct.pack("!H", len(reply)) + reply)
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()
