import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { checkDocument } from '../../ssm-documents/document-check';
import { loadDocuments, resolveIncludes } from '../../ssm-documents/documents';
import { scriptOf } from './run-document';

const KEYS = ['acquireMemoryLinux', 'examineMemory', 'examineDisk', 'probeIsolation'] as const;

test('every document is there, and loading them again gives the same bytes', () => {
  const documents = loadDocuments();
  expect(documents.map(({ key, name }) => [key, name])).toEqual([
    ['acquireMemoryLinux', 'Forensics-AcquireMemoryLinux'],
    ['examineMemory', 'Forensics-ExamineMemory'],
    ['examineDisk', 'Forensics-ExamineDisk'],
    ['probeIsolation', 'Forensics-ProbeIsolation'],
  ]);
  expect(loadDocuments()).toEqual(documents);
  for (const { content, sha256 } of documents) {
    expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
    expect(content).not.toContain('#include');
  }
});

test.each(KEYS)('%s has correct shell', (key) => {
  const script = scriptOf(key);
  const syntax = spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' });
  expect({ status: syntax.status, stderr: syntax.stderr }).toEqual({ status: 0, stderr: '' });
  const checked = spawnSync('shellcheck', ['--shell=bash', '-'], { input: script, encoding: 'utf8' });
  if (checked.error) {
    process.stderr.write(`${key}: checked with bash -n only; shellcheck is not installed\n`);
    return;
  }
  process.stderr.write(`${key}: checked with bash -n and shellcheck\n`);
  expect(checked.stdout).toBe('');
});

describe('parameters', () => {
  const patterns = loadDocuments().flatMap(({ key, content }) =>
    Object.entries((JSON.parse(content) as { parameters: Record<string, { allowedPattern: string }> }).parameters).map(
      ([name, { allowedPattern }]) => [key, name, new RegExp(allowedPattern)] as const,
    ),
  );
  test.each(patterns)('%s: %s cannot leave its quotes', (_key, _name, pattern) => {
    for (const value of ["https://a/'; id; '", "'", 'https://a/\n', 'a b', 'https://a/`id`', 'https://a/"', ''])
      expect(pattern.test(value)).toBe(false);
  });

  const of = (name: string) => patterns.find(([, parameter]) => parameter === name)![2];
  test('usual values pass', () => {
    const url = `https://forensics-staging.s3.us-east-1.amazonaws.com/c/m?X-Amz-Credential=A%2F2&X-Amz-Date=1`;
    expect(of('ManifestUrl').test(url)).toBe(true);
    expect(of('Plugins').test('linux.pslist,linux.malware.malfind')).toBe(true);
    expect(of('Plugins').test('linux.pslist --help')).toBe(false);
    expect(of('VolumeId').test('vol-0123456789abcdef0')).toBe(true);
    expect(of('VolumeId').test('vol-../../etc')).toBe(false);
    for (const seconds of ['5', '60', '3600', '172800']) expect(of('ExecutionTimeout').test(seconds)).toBe(true);
    // The agent takes these for an hour.
    for (const seconds of ['0', '4', '172801', '1e3']) expect(of('ExecutionTimeout').test(seconds)).toBe(false);
  });
});

describe('a document that breaks a rule is refused', () => {
  const parameter = { type: 'String', description: 'A name.', allowedPattern: '^[a-z]+$' };
  const step = {
    action: 'aws:runShellScript',
    name: 'doIt',
    precondition: { StringEquals: ['platformType', 'Linux'] },
    onFailure: 'exit',
    inputs: { timeoutSeconds: '60', runCommand: ['#!/bin/bash', "NAME='{{ Name }}'"] },
  };
  const good = { schemaVersion: '2.2', description: 'Does it.', parameters: { Name: parameter }, mainSteps: [step] };
  const check = (document: unknown) => () => checkDocument('it.yaml', document, (lines) => lines);
  const withScript = (...lines: string[]) => ({
    ...good,
    mainSteps: [{ ...step, inputs: { ...step.inputs, runCommand: ['#!/bin/bash', "NAME='{{ Name }}'", ...lines] } }],
  });

  test('the pattern itself is fine', () => expect(check(good)).not.toThrow());
  test.each<[string, unknown, RegExp]>([
    ['another schema', { ...good, schemaVersion: '1.2' }, /it\.yaml.*schemaVersion/],
    [
      'no allowedPattern',
      { ...good, parameters: { Name: { type: 'String', description: 'A name.' } } },
      /Name has no allowedPattern/,
    ],
    [
      'a pattern that lets quotes through',
      { ...good, parameters: { Name: { ...parameter, allowedPattern: '^.+$' } } },
      /lets "'" through/,
    ],
    ['an unused parameter', { ...good, parameters: { Name: parameter, Other: parameter } }, /Other is not used/],
    ['an undeclared parameter', withScript("OTHER='{{ Other }}'"), /Other, which is no parameter/],
    ['a parameter inside shell', withScript('echo {{ Name }}'), /other than as NAME=/],
    ['no precondition', { ...good, mainSteps: [{ ...step, precondition: undefined }] }, /no precondition/],
    ['a later step after a failure', { ...good, mainSteps: [{ ...step, onFailure: undefined }] }, /onFailure/],
    ['more than SSM takes', withScript('#'.repeat(70_000)), /more than 65536/],
  ])('%s', (_name, document, message) => expect(check(document)).toThrow(message));
});

test('an include is resolved once, also through other files, and stays in its folder', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'includes-'));
  fs.writeFileSync(path.join(folder, 'a.sh'), '#include b.sh\na\n');
  fs.writeFileSync(path.join(folder, 'b.sh'), 'b\n');
  expect(resolveIncludes(['first', '#include a.sh', '#include b.sh', 'last'], folder)).toEqual([
    'first',
    'b',
    'a',
    'last',
  ]);
  expect(() => resolveIncludes(['#include ../secret'], folder)).toThrow(/leaves/);
  fs.rmSync(folder, { recursive: true });
});
