import { type InstanceMetadataOptionsResponse, ModifyInstanceMetadataOptionsCommand } from '@aws-sdk/client-ec2';
import { ApplicationFailure } from '@temporalio/common';
import type { MetadataServiceState } from '../../domain/containment';
import { awsStep } from '../aws/errors';
import { noteAct } from '../custody-acts';
import { attemptPart, authorityOf, differs, type Layer, type LayerContext, readInstance, readUntil } from './layer';

/** Instance metadata off: no new credentials. Those that the instance holds are the identity layer's. */
export const metadataService: Layer<'metadata-service'> = {
  async read(context) {
    const instance = await readInstance(context);
    if (!instance) throw instanceGone(context);
    return stateOf(instance.MetadataOptions ?? {});
  },

  fromPlan() {
    // What EC2 gives an instance that asked for nothing (API reference, InstanceMetadataOptionsRequest).
    return { httpEndpoint: 'enabled' };
  },

  async apply(context, before) {
    const { plan } = context;
    const { instanceId } = plan.target;
    if (before.httpEndpoint === 'disabled') return { after: before, parts: 0, missing: [], failures: [] };
    const already = (await metadataService.read(context)).httpEndpoint === 'disabled';
    const failure = already ? undefined : await attemptPart(() => change(context, { httpEndpoint: 'disabled' }));
    if (!failure)
      noteAct({
        message: `The instance metadata service of ${instanceId} is switched off${already ? ', by an earlier attempt' : ''}`,
        authority: authorityOf(plan),
        data: {
          before,
          changesSuspect: true,
          change: `instance metadata service of ${instanceId}`,
          reversible: true,
        },
      });
    const after = await readUntil(
      () => metadataService.read(context),
      ({ httpEndpoint }) => failure !== undefined || httpEndpoint === 'disabled',
    );
    const off = after.httpEndpoint === 'disabled';
    return {
      after,
      parts: 1,
      missing: off ? [] : [failure?.message ?? `the instance metadata service of ${instanceId} is still shown as on`],
      failures: failure ? [failure] : [],
    };
  },

  async undo(context, before, after) {
    const instance = await readInstance(context);
    if (!instance) return { outcome: 'gone' };
    const current = stateOf(instance.MetadataOptions ?? {});
    if (same(current, before)) return { outcome: 'restored' };
    if (!same(current, after))
      return differs(
        `the metadata options of ${context.plan.target.instanceId} are ${JSON.stringify(current)} where containment left ${JSON.stringify(after)}`,
      );
    await change(context, before);
    noteAct({
      message: `The instance metadata service of ${context.plan.target.instanceId} is as it was before the containment`,
      data: {
        after: before,
        changesSuspect: true,
        change: `instance metadata service of ${context.plan.target.instanceId}`,
        reversible: true,
      },
    });
    const restored = await readUntil(
      () => metadataService.read(context),
      (state) => same(state, before),
    );
    return same(restored, before) ? { outcome: 'restored' } : differs(`shown as ${JSON.stringify(restored)}`);
  },
};

const instanceGone = ({ plan }: LayerContext): ApplicationFailure =>
  ApplicationFailure.nonRetryable(`instance ${plan.target.instanceId} is terminated`, 'InstanceNotFound');

const same = (one: MetadataServiceState, other: MetadataServiceState): boolean =>
  one.httpEndpoint === other.httpEndpoint &&
  one.httpTokens === other.httpTokens &&
  one.httpPutResponseHopLimit === other.httpPutResponseHopLimit &&
  one.httpProtocolIpv6 === other.httpProtocolIpv6 &&
  one.instanceMetadataTags === other.instanceMetadataTags;

function stateOf(options: InstanceMetadataOptionsResponse): MetadataServiceState {
  const { HttpEndpoint, HttpTokens, HttpPutResponseHopLimit, HttpProtocolIpv6, InstanceMetadataTags } = options;
  return {
    httpEndpoint: HttpEndpoint ?? 'enabled',
    ...(HttpTokens !== undefined && { httpTokens: HttpTokens }),
    ...(HttpPutResponseHopLimit !== undefined && { httpPutResponseHopLimit: HttpPutResponseHopLimit }),
    ...(HttpProtocolIpv6 !== undefined && { httpProtocolIpv6: HttpProtocolIpv6 }),
    ...(InstanceMetadataTags !== undefined && { instanceMetadataTags: InstanceMetadataTags }),
  };
}

async function change({ member, plan }: LayerContext, wanted: MetadataServiceState): Promise<void> {
  const { instanceId: InstanceId } = plan.target;
  await awsStep(`changing the metadata options of ${InstanceId}`, (options) =>
    member.ec2.send(
      new ModifyInstanceMetadataOptionsCommand({
        InstanceId,
        HttpEndpoint: wanted.httpEndpoint,
        ...(wanted.httpTokens !== undefined && { HttpTokens: wanted.httpTokens }),
        ...(wanted.httpPutResponseHopLimit !== undefined && {
          HttpPutResponseHopLimit: wanted.httpPutResponseHopLimit,
        }),
        ...(wanted.httpProtocolIpv6 !== undefined && { HttpProtocolIpv6: wanted.httpProtocolIpv6 }),
        ...(wanted.instanceMetadataTags !== undefined && { InstanceMetadataTags: wanted.instanceMetadataTags }),
      }),
      options,
    ),
  );
}
