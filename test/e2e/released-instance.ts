import { DescribeNetworkInterfacesCommand } from '@aws-sdk/client-ec2';
import type { CaseOutcome } from '../../domain/outcome';
import { type ApprovalView, type ReleaseOutcome, releaseWorkflowId } from '../../workflows/contract/keeping';
import { until } from '../workflows/fakes';
import { forensics } from './command-line';
import type { TestLab } from './support';

/** The instance of a closed case gets back what it had, by the command line; a part of the suite that ran the case. */
export function describeRelease(the: () => { lab: TestLab; outcome: CaseOutcome }): void {
  describe('its release', () => {
    test('asked for and approved on the command line, gives every interface its groups back', async () => {
      const { lab, outcome } = the();
      const { caseId, containment } = outcome;
      const say = (...args: string[]): Promise<string> => forensics(lab, ...args);
      await say('release', 'ask', caseId, '--as', 'olga', '--reason', 'cleaned', '--undo-protections');
      const isAsked = async (): Promise<boolean> =>
        (JSON.parse(await say('release', 'show', caseId, '--json')) as ApprovalView).approval !== undefined;
      await until(isAsked, 'the release was never asked for');
      await say('release', 'approve', caseId, '--as', 'ann', '--reason', 'seen');
      const released = (await lab.client.workflow.getHandle(releaseWorkflowId(caseId)).result()) as ReleaseOutcome;
      expect(released).toMatchObject({ outcome: 'released' });

      const before = new Map(containment!.interfaces.map((one) => [one.networkInterfaceId, one.groupsBefore]));
      const { NetworkInterfaces } = await lab.deployment.member.ec2.send(
        new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [...before.keys()] }),
      );
      expect(NetworkInterfaces).toHaveLength(before.size);
      for (const { NetworkInterfaceId, Groups } of NetworkInterfaces ?? [])
        expect((Groups ?? []).map(({ GroupId }) => GroupId).sort()).toEqual(before.get(NetworkInterfaceId ?? ''));
    });
  });
}
