import { isOperationPage } from './api-reference';
import { calledPages, forgetCalls } from './calls-made';
import { isAws } from './settings';
import { target } from './target';

/** On AWS an instance takes a minute, and a change of a policy may take several to be seen everywhere. */
const LIMIT_MS = isAws() ? 1_800_000 : 180_000;

/**
 * One statement of AWS's documentation, as a test.
 *
 * @param page where it stands: a page of a user guide, or "<API Reference>: <operation>". A statement about an operation
 *   must call that operation, else the test fails: coverage.test.ts counts the operations of these pages.
 */
export function documented(page: string, statement: string, test: () => Promise<void>): void {
  it(titleOf(page, statement), () => run(page, test), LIMIT_MS);
}

/**
 * A statement that holds on AWS and not yet in the lab: a known difference. In the lab this test is red as soon as the
 * lab does hold it; then it becomes a {@link documented} one.
 */
export function differsInLab(page: string, statement: string, test: () => Promise<void>): void {
  const declare = isAws() ? it : it.failing;
  declare(`${titleOf(page, statement)} [the lab differs]`, () => run(page, test), LIMIT_MS);
}

const titleOf = (page: string, statement: string): string => `${page} — ${statement}`;

async function run(page: string, test: () => Promise<void>): Promise<void> {
  forgetCalls();
  await test().finally(() => target().resources.endPassingInstances());
  if (isOperationPage(page)) expect(calledPages()).toContain(page);
}
