import { nameBasedUuid, URL_NAMESPACE } from './name-based-uuid';

/** Prefixes of a document. CASE and UCO 1.5.0; nothing is fetched to read it. */
const CONTEXT = {
  // RFC 2606 keeps this name free, and CASE's own examples use it: the knowledge base has no address.
  kb: 'http://example.org/kb/',
  'case-investigation': 'https://ontology.caseontology.org/case/investigation/',
  'uco-action': 'https://ontology.unifiedcyberontology.org/uco/action/',
  'uco-configuration': 'https://ontology.unifiedcyberontology.org/uco/configuration/',
  'uco-core': 'https://ontology.unifiedcyberontology.org/uco/core/',
  'uco-identity': 'https://ontology.unifiedcyberontology.org/uco/identity/',
  'uco-observable': 'https://ontology.unifiedcyberontology.org/uco/observable/',
  'uco-role': 'https://ontology.unifiedcyberontology.org/uco/role/',
  'uco-tool': 'https://ontology.unifiedcyberontology.org/uco/tool/',
  'uco-types': 'https://ontology.unifiedcyberontology.org/uco/types/',
  xsd: 'http://www.w3.org/2001/XMLSchema#',
} as const;

type Prefix = Exclude<keyof typeof CONTEXT, 'kb' | 'xsd'>;
/** E.g. `uco-observable:File`. */
export type ClassName = `${Prefix}:${string}`;

export interface Reference {
  '@id': string;
}
interface TypedValue {
  '@type': string;
  '@value': string;
}
export interface LinkedNode extends Reference {
  '@type': string;
  [property: `${Prefix}:${string}`]: Value;
}
export type Value = string | boolean | Reference | TypedValue | LinkedNode | readonly Value[];
/** What is undefined or an empty list is left out. */
export type Properties = Partial<Record<ClassName, Value | undefined>>;

/** Characters that XML, and so xsd:string, has no place for (XML 1.0 §2.2), beside halves of surrogate pairs. */
// eslint-disable-next-line no-control-regex
const NO_TEXT = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu;
const text = (words: string): string => words.replace(NO_TEXT, '\ufffd');

const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;

/** Undefined for what is no time in ISO 8601. */
export const dateTime = (iso: string): TypedValue | undefined =>
  DATE_TIME.test(iso) ? { '@type': 'xsd:dateTime', '@value': iso } : undefined;
/** Undefined for what is no whole number. */
export const integer = (value: number): TypedValue | undefined =>
  Number.isSafeInteger(value) ? { '@type': 'xsd:integer', '@value': String(value) } : undefined;
export const hexBinary = (hex: string): TypedValue => ({ '@type': 'xsd:hexBinary', '@value': hex });

/** The things of one case and what is said of them, as JSON-LD. A thing has a class and a key that tells it from others of the class. */
export class LinkedData {
  private readonly objects = new Map<string, LinkedNode>();
  private readonly namespace: string;

  constructor(caseId: string) {
    this.namespace = nameBasedUuid(URL_NAMESPACE, `${CONTEXT.kb}${caseId}`);
  }

  /** A thing of its own. Who speaks of it first describes it. */
  object(className: ClassName, key: readonly string[], properties: Properties): Reference {
    const node = this.part(className, key, properties);
    const known = this.objects.get(node['@id']);
    if (!known) this.objects.set(node['@id'], node);
    return { '@id': node['@id'] };
  }

  /** What belongs to one thing and stands within it: a facet, a hash. `key` begins with the key of that thing. */
  part(className: ClassName, key: readonly string[], properties: Properties): LinkedNode {
    const uuid = nameBasedUuid(this.namespace, text(JSON.stringify([className, ...key])));
    const node: LinkedNode = { '@id': `kb:${className.slice(className.indexOf(':') + 1)}-${uuid}`, '@type': className };
    for (const [property, value] of Object.entries(properties) as [ClassName, Value | undefined][])
      if (value !== undefined && !(Array.isArray(value) && value.length === 0)) node[property] = cleaned(value);
    return node;
  }

  references(): Reference[] {
    return [...this.objects.keys()].map((id) => ({ '@id': id }));
  }

  document(): { '@context': typeof CONTEXT; '@graph': LinkedNode[] } {
    return { '@context': CONTEXT, '@graph': [...this.objects.values()] };
  }
}

/** Texts that may hold anything become texts that RDF can hold; lists name a thing once. */
function cleaned(value: Value): Value {
  if (typeof value === 'string') return text(value);
  if (!Array.isArray(value)) return value;
  const once = new Map((value as readonly Value[]).map((one) => [JSON.stringify(one), cleaned(one)]));
  return [...once.values()];
}
