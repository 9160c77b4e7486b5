import type { IncomingHttpHeaders } from 'node:http';
import { invalidRequest } from './aws-error';

export type JsonObject = Record<string, unknown>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A request as it came, so that it can be passed on unchanged: its signature covers headers and body. */
export interface RawRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Reads members of a JSON request body; a member of another type is a ValidationException. */
export class RequestBody {
  constructor(private readonly members: JsonObject) {}

  static parse(text: string): RequestBody {
    let value: unknown = {};
    try {
      if (text !== '') value = JSON.parse(text);
    } catch {
      throw invalidRequest('The request body is not JSON.');
    }
    if (!isJsonObject(value)) throw invalidRequest('The request body is not a JSON object.');
    return new RequestBody(value);
  }

  has(name: string): boolean {
    return this.members[name] !== undefined && this.members[name] !== null;
  }

  optionalText(name: string): string | undefined {
    if (!this.has(name)) return undefined;
    const value = this.members[name];
    if (typeof value !== 'string') throw invalidRequest(`${name} is not a string.`);
    return value;
  }

  text(name: string): string {
    const value = this.optionalText(name);
    if (value === undefined) throw invalidRequest(`${name} is required.`);
    return value;
  }

  flag(name: string): boolean {
    return this.members[name] === true;
  }

  /** A whole number inside the limits of the API model. */
  optionalInteger(name: string, least: number, most: number): number | undefined {
    if (!this.has(name)) return undefined;
    const value = this.members[name];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      throw invalidRequest(`Value '${String(value)}' at '${name}' must be a whole number from ${least} to ${most}.`);
    }
    return value;
  }

  texts(name: string): string[] {
    if (!this.has(name)) return [];
    const value = this.members[name];
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
      throw invalidRequest(`${name} is not a list of strings.`);
    }
    return value;
  }

  objects(name: string): RequestBody[] {
    if (!this.has(name)) return [];
    const value = this.members[name];
    if (!Array.isArray(value) || !value.every(isJsonObject)) throw invalidRequest(`${name} is not a list of objects.`);
    return value.map((item) => new RequestBody(item));
  }

  optionalObject(name: string): RequestBody | undefined {
    if (!this.has(name)) return undefined;
    const value = this.members[name];
    if (!isJsonObject(value)) throw invalidRequest(`${name} is not an object.`);
    return new RequestBody(value);
  }

  /** A map from name to strings, as `Parameters` of SendCommand. */
  textLists(name: string): Record<string, string[]> {
    if (!this.has(name)) return {};
    const value = this.members[name];
    if (!isJsonObject(value)) throw invalidRequest(`${name} is not a map.`);
    const map = new RequestBody(value);
    return Object.fromEntries(Object.keys(value).map((key) => [key, map.texts(key)]));
  }
}
