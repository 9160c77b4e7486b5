import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { isOperationPage } from './api-reference';
import { callsOf, productCalls } from './product-calls';

/** Pages that the contract tests state something of, from their sources. */
function documentedPages(): string[] {
  return readdirSync(__dirname)
    .filter((file) => file.endsWith('.contract.ts'))
    .flatMap((file) => {
      const text = readFileSync(path.join(__dirname, file), 'utf8');
      const pages: string[] = [];
      const visit = (node: ts.Node): void => {
        if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
          const [page] = node.arguments;
          const isStatement = ['documented', 'differsInLab'].includes(node.expression.text);
          if (isStatement && page && ts.isStringLiteral(page)) pages.push(page.text);
        }
        ts.forEachChild(node, visit);
      };
      visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
      return pages;
    });
}

test('every AWS call that the product makes has a contract test of its API Reference page', () => {
  const calls = productCalls();
  const covered = new Set(documentedPages());
  const uncovered = [...calls].filter(([page]) => !covered.has(page));
  expect(Object.fromEntries(uncovered)).toEqual({});
  // The extraction itself works: a product that copies evidence calls more than this.
  expect(calls.size).toBeGreaterThan(50);
});

test('every part of the suite is run by contract.test.ts', () => {
  const runner = readFileSync(path.join(__dirname, 'contract.test.ts'), 'utf8');
  const parts = readdirSync(__dirname).filter((file) => file.endsWith('.contract.ts'));
  expect(parts.filter((file) => !runner.includes(`'./${file.replace(/\.ts$/, '')}'`))).toEqual([]);
});

test('a page is that of an operation when it names an API Reference and an operation', () => {
  expect(isOperationPage('Amazon EC2 API Reference: CopySnapshot')).toBe(true);
  expect(isOperationPage('Amazon EC2 API Reference: Error codes')).toBe(false);
  expect(isOperationPage('Amazon EBS User Guide: Quotas for Amazon EBS')).toBe(false);
});

describe('the calls of a source file', () => {
  test('are its commands, paginators and waiters; types and clients are none', () => {
    const text = `
      import { EC2Client, CopySnapshotCommand as Copy, paginateDescribeVolumes, type Snapshot } from '@aws-sdk/client-ec2';
      import { PutCommand, QueryCommand } from '@aws-sdk/lib-dynamodb';
      import { waitUntilTableExists } from '@aws-sdk/client-dynamodb';
      import type { SendCommandCommand } from '@aws-sdk/client-ssm';
      import { Command } from 'commander';`;
    expect(callsOf('example.ts', text)).toEqual([
      'Amazon EC2 API Reference: CopySnapshot',
      'Amazon EC2 API Reference: DescribeVolumes',
      'Amazon DynamoDB API Reference: PutItem',
      'Amazon DynamoDB API Reference: Query',
      'Amazon DynamoDB API Reference: DescribeTable',
    ]);
  });

  test('that cannot be listed are an error', () => {
    expect(() => callsOf('example.ts', "import * as ec2 from '@aws-sdk/client-ec2';")).toThrow('imports all of');
    expect(() => callsOf('example.ts', "import { ListKeysCommand } from '@aws-sdk/client-glacier';")).toThrow(
      '@aws-sdk/client-glacier: add it to',
    );
    expect(() => callsOf('example.ts', "import { waitUntilVolumeInUse } from '@aws-sdk/client-ec2';")).toThrow(
      'say in test/contract/product-calls.ts what it calls',
    );
  });
});
