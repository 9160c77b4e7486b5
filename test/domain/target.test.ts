import { caseRequestProblems, findingProblems } from '../../domain/case-request-problems';
import { targetProblems } from '../../domain/target';
import { caseRequest } from '../workflows/case-fixtures';

const target = { accountId: '012345678901', region: 'us-gov-west-1', instanceId: 'i-0123456789abcdef0' };

test('sound targets, old and new instance ids', () => {
  expect(targetProblems(target)).toEqual([]);
  expect(targetProblems({ ...target, instanceId: 'i-0123abcd' })).toEqual([]);
});

test.each([
  [{ accountId: '1234' }, 'accountId must be 12 digits'],
  [{ region: 'us-east-1; rm' }, 'region must be an AWS Region code'],
  [{ instanceId: 'i-0123456789ABCDEF0' }, 'instanceId must be i-'],
])('%j is refused', (change, problem) => {
  expect(targetProblems({ ...target, ...change })).toEqual([expect.stringContaining(problem)]);
});

test('a request is read field by field, whatever was sent', () => {
  expect(caseRequestProblems(caseRequest())).toEqual([]);
  expect(caseRequestProblems(null)).toEqual(['the request must be an object']);
  expect(caseRequestProblems({})).toHaveLength(6);
  expect(findingProblems({ id: 'f', type: 't', title: 't', severity: 'grave' })).toEqual([
    expect.stringContaining('finding.severity must be one of'),
  ]);
});
