import { AwsError } from './aws-error';
import type { RequestBody } from './request';

export interface PageLimits {
  fallback: number;
  least: number;
  most: number;
}

/** One page of `items` by MaxResults and NextToken. The token is the position after the page's last item. */
export function page<Item>(
  items: readonly Item[],
  body: RequestBody,
  limits: PageLimits,
): { items: Item[]; nextToken: string | undefined } {
  const size = body.optionalInteger('MaxResults', limits.least, limits.most) ?? limits.fallback;
  const token = body.optionalText('NextToken');
  const start = token === undefined || token === '' ? 0 : positionOf(token);
  const end = start + size;
  return { items: items.slice(start, end), nextToken: end < items.length ? tokenFor(end) : undefined };
}

function tokenFor(position: number): string {
  return Buffer.from(`position:${position}`).toString('base64url');
}

function positionOf(token: string): number {
  const position = /^position:(\d+)$/.exec(Buffer.from(token, 'base64url').toString())?.[1];
  if (position === undefined) throw new AwsError('InvalidNextToken', 'The specified token is not valid.');
  return Number(position);
}
