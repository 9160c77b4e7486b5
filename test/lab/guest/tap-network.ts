import { spawn } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { type InstanceNetwork } from '../../../lab/network/instance-network';
import { addNamespace, dropNamespace } from '../../../lab/network/namespaces';
import { runInNamespace } from '../../../lab/network/run-in-namespace';

export const GUEST_MAC = '02:10:20:30:40:50';
const HOST = '10.0.5.1';
const SSM_PORT = 80;
const PROXY_PORT = 3128;
const RELAY = `
const net = require('node:net');
const [socket, address, ...ports] = process.argv.slice(1);
for (const port of ports) {
  net.createServer((client) => {
    const upstream = net.connect(socket);
    client.on('error', () => upstream.destroy()).pipe(upstream).on('error', () => client.destroy()).pipe(client);
  }).listen(Number(port), address);
}`;

/**
 * The least network that a guest can be in: a namespace with one tap device, whose own end answers as SSM's endpoint and as
 * proxy. Both lead to one port of this machine, through a Unix socket, since a namespace reaches no loopback but its own.
 */
export async function startTapNetwork(
  folder: string,
  port: number,
): Promise<{ network: InstanceNetwork; stop: () => Promise<void> }> {
  const namespace = `guest-test-${process.pid}`;
  const socket = path.join(folder, 'relay.sock');
  const server = net.createServer((client) => {
    const upstream = net.connect(port, '127.0.0.1');
    client
      .on('error', () => upstream.destroy())
      .pipe(upstream)
      .on('error', () => client.destroy())
      .pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  await addNamespace(namespace);
  await runInNamespace(namespace, 'ip', ['tuntap', 'add', 'dev', 'tap0', 'mode', 'tap']);
  await runInNamespace(namespace, 'ip', ['address', 'add', `${HOST}/24`, 'dev', 'tap0']);
  await runInNamespace(namespace, 'ip', ['link', 'set', 'tap0', 'up']);
  const words = ['-e', RELAY, socket, HOST, String(SSM_PORT), String(PROXY_PORT)];
  const relay = spawn('ip', ['netns', 'exec', namespace, process.execPath, ...words], { stdio: 'inherit' });
  const primary = { networkInterfaceId: 'eni-0123456789abcdef0', device: 'eth0', macAddress: GUEST_MAC };
  return {
    network: {
      namespace,
      interfaces: [{ ...primary, address: '10.0.5.9', prefixLength: 24, gateway: HOST, tapDevice: 'tap0' }],
      resolver: '10.0.5.2',
      ssmUrl: `http://${HOST}:${SSM_PORT}`,
      proxyUrl: `http://${HOST}:${PROXY_PORT}`,
    },
    async stop() {
      relay.kill('SIGKILL');
      await dropNamespace(namespace);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
