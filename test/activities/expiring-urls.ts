import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An endpoint in front of the emulator's. */
export interface ExpiringUrls {
  url: string;
  /** Method and path of each request that was refused. */
  refused: string[];
  stop(): Promise<void>;
}

/**
 * Refuses pre-signed URLs whose time is over, as S3 does, and passes everything else on: the emulator serves them for ever.
 * Source: S3 User Guide, "Authenticating Requests: Using Query Parameters" (X-Amz-Date, X-Amz-Expires).
 */
export async function startExpiringUrls(emulator: string): Promise<ExpiringUrls> {
  const refused: string[] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://objects');
    const date = searchParams.get('X-Amz-Date');
    if (date !== null) {
      const signedAt = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/, '$1-$2-$3:$4:$5'));
      if (Date.now() > signedAt + Number(searchParams.get('X-Amz-Expires')) * 1000) {
        refused.push(`${request.method} ${pathname}`);
        request.resume().on('end', () => response.writeHead(403).end('Request has expired'));
        return;
      }
    }
    const { method, headers } = request;
    const onward = send(new URL(request.url ?? '/', emulator), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    refused,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
