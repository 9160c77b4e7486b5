import { AwsError, invalidRequest } from './aws-error';
import type { DocumentContent, DocumentParameter } from './documents';

/**
 * Checks the parameters of SendCommand against their declarations and gives them the types that the agent receives:
 * StringList stays a list, everything else is a scalar. Values that were not given are left to the agent, which
 * fills in the document's defaults.
 * @throws AwsError InvalidParameters for an undeclared, missing or refused value.
 */
export function checkParameters(content: DocumentContent, given: Record<string, string[]>): Record<string, unknown> {
  const declared = content.parameters ?? {};
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(declared, name)) throw invalid(`Parameter "${name}" is not declared by the document.`);
  }
  const typed: Record<string, unknown> = {};
  for (const [name, declaration] of Object.entries(declared)) {
    const values = Object.hasOwn(given, name) ? given[name] : undefined;
    if (values === undefined) {
      if (declaration.default === undefined) throw invalid(`Parameter "${name}" requires a value.`);
      continue;
    }
    checkCount(name, declaration, values);
    for (const value of values) checkValue(name, declaration, value);
    typed[name] = typedValue(name, declaration, values);
  }
  return typed;
}

function checkCount(name: string, declaration: DocumentParameter, values: string[]): void {
  if (declaration.type !== 'StringList') {
    if (values.length !== 1) throw invalid(`Parameter "${name}" takes one value, not ${values.length}.`);
    return;
  }
  if (declaration.minItems !== undefined && values.length < declaration.minItems) {
    throw invalid(`Parameter "${name}" has ${values.length} items, fewer than ${declaration.minItems}.`);
  }
  if (declaration.maxItems !== undefined && values.length > declaration.maxItems) {
    throw invalid(`Parameter "${name}" has ${values.length} items, more than ${declaration.maxItems}.`);
  }
}

function checkValue(name: string, declaration: DocumentParameter, value: string): void {
  const { allowedPattern, allowedValues, minChars, maxChars } = declaration;
  if (allowedPattern !== undefined && !new RegExp(allowedPattern).test(value)) {
    throw invalid(`Parameter "${name}" has a value that does not match "${allowedPattern}".`);
  }
  if (allowedValues !== undefined && !allowedValues.map(String).includes(value)) {
    throw invalid(`Parameter "${name}" has a value that is not one of ${allowedValues.map(String).join(', ')}.`);
  }
  if (minChars !== undefined && value.length < minChars) {
    throw invalid(`Parameter "${name}" has ${value.length} characters, fewer than ${minChars}.`);
  }
  if (maxChars !== undefined && value.length > maxChars) {
    throw invalid(`Parameter "${name}" has ${value.length} characters, more than ${maxChars}.`);
  }
}

function typedValue(name: string, declaration: DocumentParameter, values: string[]): unknown {
  const [first = ''] = values;
  switch (declaration.type) {
    case 'String':
      return first;
    case 'StringList':
      return values;
    case 'Boolean':
      if (first !== 'true' && first !== 'false') throw invalid(`Parameter "${name}" is neither true nor false.`);
      return first === 'true';
    case 'Integer':
      if (!/^-?\d+$/.test(first)) throw invalid(`Parameter "${name}" is not a whole number.`);
      return Number(first);
    case 'MapList':
    case 'StringMap':
      throw invalidRequest(`Parameter "${name}": the lab's Run Command does not take ${declaration.type} values.`);
  }
}

function invalid(message: string): AwsError {
  return new AwsError('InvalidParameters', message);
}
