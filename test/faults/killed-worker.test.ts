/**
 * A sample of `npm run test:faults`, which kills the worker at every mutation of a case: here at one call of each kind that
 * can be repeated least of all, since it takes no client token.
 */
import { LAB_ACCOUNTS } from '../../lab/config';
import { compareWithUndisturbed } from './comparison';
import { type FaultLab, startFaultLab } from './fault-lab';
import { kindOf } from './kill-points';

// Two whole cases, and eight workers that die: half a minute alone, more on a loaded machine.
jest.setTimeout(1_200_000);

const { member, forensics } = LAB_ACCOUNTS;
const SAMPLE = [
  `${member} ec2:CreateSnapshots`,
  `${member} ssm:SendCommand`,
  `${forensics} ec2:AttachVolume`,
  `${forensics} s3:CompleteMultipartUpload`,
];

let lab: FaultLab;
beforeAll(async () => {
  lab = await startFaultLab();
});
afterAll(() => lab.stop());

test('killed before and after a call that takes no token, a worker leaves neither more nor less behind', async () => {
  const { points, kills, differences, problems } = await compareWithUndisturbed(
    lab,
    (point) => point.ordinal === 1 && SAMPLE.includes(kindOf(point)),
  );
  expect({ differences, problems }).toEqual({ differences: [], problems: [] });
  expect(points.map(kindOf).sort()).toEqual([...SAMPLE].sort());
  expect(points.map(({ killed }) => killed)).toEqual(points.map(() => ({ before: true, after: true })));
  expect(kills).toBeGreaterThanOrEqual(2);
});
