"""The servers of the lab's network: resolvers and endpoints of its VPCs, and the beacon server in its internet.

    serve.py --aws HOST:PORT --ssm HOST:PORT --internet NAMESPACE --beacon ADDRESS --folder FOLDER

Takes orders on standard input, one JSON object a line, and answers each on standard output: {"id": N} or {"id": N, "error": TEXT}.
    {"id": N, "do": "open", "vpc": ID, "namespace": NAME, "resolvers": [ADDRESS], "ssm": ADDRESS, "proxy": ADDRESS}
    {"id": N, "do": "name", "vpc": ID, "names": {NAME: ADDRESS}}     puts these in place of all names of the VPC
    {"id": N, "do": "close", "vpc": ID}
Ends with its standard input. Writes FOLDER/beacon.json and FOLDER/dns-queries.jsonl.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

import resolver
from beacon_server import LINE_LIMIT, Beacon, now
from forwarders import CHUNK, HEAD_LIMIT, forward, proxy
from namespace_sockets import tcp_listener, udp_socket

DNS_PORT, HTTPS_PORT, HTTP_PORT = 53, 443, 80


def address_and_port(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


class Vpc:
    def __init__(self):
        self.names, self.servers, self.transports = {}, [], []
        self.tasks = set()

    def serving(self, handler):
        """A connection handler whose connections end with the VPC."""

        async def handle(reader, writer):
            task = asyncio.current_task()
            self.tasks.add(task)
            try:
                await handler(reader, writer)
            finally:
                self.tasks.discard(task)
                writer.close()

        return handle

    def close(self):
        for opened in [*self.servers, *self.transports]:
            opened.close()
        for task in list(self.tasks):
            task.cancel()


class Services:
    def __init__(self, settings):
        self.settings = settings
        self.vpcs = {}
        self.queries = open(Path(settings.folder) / "dns-queries.jsonl", "a", buffering=1, encoding="utf-8")

    async def open_internet(self):
        beacon = Beacon(Path(self.settings.folder) / "beacon.json")
        beacon.write()
        for port, handler, limit in ((HTTPS_PORT, beacon.session, LINE_LIMIT), (HTTP_PORT, beacon.request, HEAD_LIMIT)):
            listener = tcp_listener(self.settings.internet, self.settings.beacon, port)
            await asyncio.start_server(handler, sock=listener, limit=limit)

    async def open(self, order):
        vpc = Vpc()
        try:
            await self.listen(vpc, order)
        except OSError:
            vpc.close()
            raise
        self.vpcs[order["vpc"]] = vpc

    async def listen(self, vpc, order):
        namespace = order["namespace"]

        def written_down(query):
            self.queries.write(json.dumps({"at": now(), "vpcId": order["vpc"], **query}) + "\n")

        loop = asyncio.get_running_loop()
        for address in order["resolvers"]:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: resolver.Datagrams(vpc.names, written_down), sock=udp_socket(namespace, address, DNS_PORT)
            )
            vpc.transports.append(transport)
            answering = vpc.serving(lambda r, w: resolver.over_tcp(r, w, vpc.names, written_down))
            vpc.servers.append(
                await asyncio.start_server(answering, sock=tcp_listener(namespace, address, DNS_PORT), limit=CHUNK)
            )
        for address, handler, server in (
            (order["ssm"], forward, self.settings.ssm),
            (order["proxy"], proxy, self.settings.aws),
        ):
            serving = vpc.serving(lambda r, w, handler=handler, server=server: handler(r, w, server))
            vpc.servers.append(
                await asyncio.start_server(serving, sock=tcp_listener(namespace, address, HTTPS_PORT), limit=HEAD_LIMIT)
            )

    async def name(self, order):
        names = self.vpcs[order["vpc"]].names
        names.clear()
        names.update(order["names"])

    async def close(self, order):
        vpc = self.vpcs.pop(order["vpc"], None)
        if vpc is not None:
            vpc.close()
            # Cancelled connections close their sockets in the loop's next rounds; until then the namespace lives on.
            await asyncio.gather(*vpc.tasks, return_exceptions=True)

    async def obey(self, order):
        try:
            await {"open": self.open, "name": self.name, "close": self.close}[order["do"]](order)
            return {"id": order["id"]}
        except (OSError, KeyError) as problem:
            return {"id": order["id"], "error": f"{order['do']}: {problem}"}


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--aws", type=address_and_port, required=True)
    parser.add_argument("--ssm", type=address_and_port, required=True)
    parser.add_argument("--internet", required=True)
    parser.add_argument("--beacon", required=True)
    parser.add_argument("--folder", required=True)
    services = Services(parser.parse_args())
    await services.open_internet()
    orders = asyncio.StreamReader(limit=16 * 1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print(json.dumps({"id": 0}), flush=True)
    while line := await orders.readline():
        print(json.dumps(await services.obey(json.loads(line))), flush=True)


asyncio.run(main())
