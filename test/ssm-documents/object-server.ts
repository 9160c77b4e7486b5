import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** Plays S3 for a document under test: objects that can be read, and what was put, as it came over the wire. */
export interface ObjectServer {
  /** A pre-signed URL; one that is given a life is refused with 403 once that is over. */
  url(path: string, lifeSeconds?: number): string;
  /** What can be read; a function makes it anew for each reader. */
  objects: Map<string, Buffer | (() => Buffer)>;
  puts: { path: string; contentLength: number | null; body: Buffer }[];
  /** Path -> statuses to answer with before the request is served. */
  failures: Map<string, number[]>;
  put(path: string): Buffer | undefined;
  stop(): Promise<void>;
}

/** As a pre-signed URL has one: whoever reads it may use it, so that no document may print it. */
export const SIGNATURE = 'X-Amz-Signature=b7f1c0ffee';
/** Stands for the date and the life in seconds that a real URL carries. */
const ENDS_AT = 'ends-at';

export async function startObjectServer(): Promise<ObjectServer> {
  const objects: ObjectServer['objects'] = new Map();
  const puts: ObjectServer['puts'] = [];
  const failures = new Map<string, number[]>();
  const server = http.createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://objects');
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const answer = (status: number, body: Buffer | string = '') => response.writeHead(status).end(body);
      const failure = failures.get(pathname)?.shift();
      if (failure !== undefined) return void answer(failure);
      if (!searchParams.has('X-Amz-Signature')) return void answer(403, 'no signature');
      if (Date.now() > Number(searchParams.get(ENDS_AT) ?? Infinity)) return void answer(403, 'Request has expired');
      if (request.method === 'PUT') {
        const length = request.headers['content-length'];
        // As S3 does: a body without a length is refused.
        if (length === undefined) return void answer(411);
        puts.push({ path: pathname, contentLength: Number(length), body: Buffer.concat(chunks) });
        return void answer(200);
      }
      const found = objects.get(pathname);
      answer(found ? 200 : 404, typeof found === 'function' ? found() : found);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: (path, lifeSeconds) => {
      const life = lifeSeconds === undefined ? '' : `&${ENDS_AT}=${Date.now() + lifeSeconds * 1000}`;
      return `http://127.0.0.1:${port}${path}?X-Amz-Expires=900&${SIGNATURE}${life}`;
    },
    objects,
    puts,
    failures,
    put: (path) => puts.find((put) => put.path === path)?.body,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
