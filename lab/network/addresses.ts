/** IPv4 arithmetic on dotted text. */

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toText(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

export interface Range {
  first: string;
  last: string;
  prefixLength: number;
}

/** First and last address of a range such as 10.0.0.0/16. */
export function rangeOf(cidrBlock: string): Range {
  const [address = '', length = '32'] = cidrBlock.split('/');
  const prefixLength = Number(length);
  const size = 2 ** (32 - prefixLength);
  const first = Math.floor(toNumber(address) / size) * size;
  return { first: toText(first), last: toText(first + size - 1), prefixLength };
}

/** The address that many places behind another (before it, when negative). */
export function addressAfter(address: string, places: number): string {
  return toText(toNumber(address) + places);
}
