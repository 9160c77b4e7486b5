/** A condition on one tag; exactly one of `equals`, `anyOf`, `exists` is given. Key and value are compared as they are. */
export interface TagCondition {
  key: string;
  equals?: string;
  anyOf?: string[];
  /** `false`: the tag is not there. */
  exists?: boolean;
}

export type Tags = Record<string, string>;

/** Why the condition does not hold, as a sentence; undefined when it holds. */
export function tagConditionFails(condition: TagCondition, tags: Tags): string | undefined {
  const { key } = condition;
  const value = tagOf(tags, key);
  const isThere = value !== undefined;
  if (condition.exists !== undefined) {
    if (isThere === condition.exists) return undefined;
    return isThere ? `tag ${key} is there` : `tag ${key} is not there`;
  }
  const wanted = condition.anyOf ?? (condition.equals === undefined ? [] : [condition.equals]);
  if (value !== undefined && wanted.includes(value)) return undefined;
  return value === undefined ? `tag ${key} is not there` : `tag ${key} is ${value}, not ${wanted.join(' or ')}`;
}

/** A tag may have any name, also that of a property which every object has. */
export const tagOf = (tags: Tags, key: string): string | undefined =>
  Object.hasOwn(tags, key) ? tags[key] : undefined;

export function tagConditionText({ key, equals, anyOf, exists }: TagCondition): string {
  if (exists !== undefined) return exists ? `tag ${key}` : `no tag ${key}`;
  return `tag ${key}=${(anyOf ?? (equals === undefined ? [] : [equals])).join('|')}`;
}
