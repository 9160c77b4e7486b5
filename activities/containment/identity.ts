import {
  DescribeIamInstanceProfileAssociationsCommand,
  ReplaceIamInstanceProfileAssociationCommand,
} from '@aws-sdk/client-ec2';
import {
  DeleteRolePolicyCommand,
  GetInstanceProfileCommand,
  GetRolePolicyCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { ApplicationFailure } from '@temporalio/common';
import canonicalize from 'canonicalize';
import {
  type IdentityState,
  ISOLATION_PROFILES,
  revocationPolicy,
  revocationPolicyName,
} from '../../domain/containment';
import { awsCode, awsStep } from '../aws/errors';
import { noteAct } from '../custody-acts';
import { attemptPart, authorityOf, differs, type Layer, type LayerContext, readInstance, readUntil } from './layer';

const nameOf = (profileArn: string): string => profileArn.slice(profileArn.lastIndexOf('/') + 1);

/** Same policy, whatever its layout: IAM may answer with another order of keys than was put. */
function sameDocument(one: string, other: string): boolean {
  return canonicalize(JSON.parse(one)) === canonicalize(JSON.parse(other));
}

/**
 * The instance profile is exchanged first and sessions are revoked after that: in the other order, credentials that are fetched in
 * between would be younger than the revocation and stay good.
 */
export const identity: Layer<'identity'> = {
  async read(context) {
    const { plan } = context;
    const [profile, roleName] = await Promise.all([readAssociation(context), readRoleName(context)]);
    const revocation = roleName === undefined ? undefined : await readRevocation(context, roleName);
    if (!plan.layers.identity) return profile ? { profile } : {};
    return {
      ...(profile && { profile }),
      ...(roleName !== undefined && { roleName }),
      ...(revocation !== undefined && {
        revocation: { policyName: revocationPolicyName(plan.target.instanceId), document: revocation },
      }),
    };
  },

  fromPlan({ plan }) {
    const { identity: planned } = plan.layers;
    if (!planned) return {};
    // The association is read again before it is exchanged; its id is only known to AWS.
    return {
      profile: { arn: planned.profileArn, associationId: '' },
      ...(planned.roleName !== undefined && { roleName: planned.roleName }),
    };
  },

  async apply(context, before) {
    const { plan } = context;
    const planned = plan.layers.identity;
    const wanted = ISOLATION_PROFILES[plan.mode];
    const isolated = (state: IdentityState): boolean =>
      state.profile === undefined || nameOf(state.profile.arn) === wanted;
    if (!planned || (before.profile === undefined && before.roleName === undefined))
      return { after: before, parts: 0, missing: [], failures: [] };

    const failures: ApplicationFailure[] = [];
    const exchanging = await attemptPart(() => exchangeProfile(context, wanted));
    if (exchanging) failures.push(exchanging);
    let after = await readUntil(
      () => identity.read(context),
      (state) => exchanging !== undefined || isolated(state),
    );
    if (!isolated(after)) {
      return {
        after,
        parts: 2,
        missing: [
          exchanging?.message ??
            `${plan.target.instanceId} was given instance profile ${wanted} and shows ${after.profile?.arn ?? 'none'}`,
          'sessions are not revoked: while the instance keeps its profile, it would get new ones at once',
        ],
        failures: failures.length > 0 ? failures : [notSettled(`instance profile ${wanted} is not shown yet`)],
      };
    }

    const { roleName } = after;
    if (roleName === undefined) {
      const missing = [`no session is revoked: instance profile ${planned.profileArn} shows no role any more`];
      return { after, parts: 2, missing, failures };
    }
    const revoking = await attemptPart(() => revokeSessions(context, roleName, before, after));
    if (revoking) failures.push(revoking);
    else
      after = await readUntil(
        () => identity.read(context),
        ({ revocation }) => revocation !== undefined,
      );
    const missing =
      revoking || after.revocation === undefined
        ? [revoking?.message ?? `sessions of role ${roleName} were revoked and the policy is not shown`]
        : [];
    return { after, parts: 2, missing, failures };
  },

  async undo(context, before, after) {
    const current = await identity.read(context);
    const { instanceId } = context.plan.target;
    const gone = (await readInstance(context)) === undefined;
    const profileBack = current.profile?.arn === before.profile?.arn;
    if (!gone && !profileBack && current.profile?.arn !== after.profile?.arn)
      return differs(
        `${instanceId} has instance profile ${current.profile?.arn ?? 'none'} where containment left ${after.profile?.arn ?? 'none'}`,
      );
    const revocationBack = sameRevocation(current, before);
    if (!revocationBack && !sameRevocation(current, after))
      return differs(
        `policy ${revocationPolicyName(instanceId)} of role ${after.roleName ?? 'unknown'} is not the one that containment put there`,
      );
    if (!revocationBack) await takeRevocationBack(context, before, after);
    if (gone) return { outcome: 'gone' };
    const { profile } = before;
    if (!profileBack && profile && current.profile) {
      await replaceAssociation(context, current.profile.associationId, { Arn: profile.arn });
      const restored = await readUntil(
        () => identity.read(context),
        (state) => state.profile?.arn === profile.arn,
      );
      if (restored.profile?.arn !== profile.arn) throw notSettled(`instance profile ${profile.arn} is not shown yet`);
      noteAct({
        message: `Instance ${instanceId} got its instance profile ${profile.arn} back`,
        data: { changesSuspect: true, change: 'instance profile', reversible: true },
      });
    }
    return { outcome: 'restored' };
  },
};

const notSettled = (what: string): ApplicationFailure => ApplicationFailure.retryable(what, 'Unavailable');

function sameRevocation(one: IdentityState, other: IdentityState): boolean {
  if (!one.revocation || !other.revocation) return one.revocation === other.revocation;
  return sameDocument(one.revocation.document, other.revocation.document);
}

async function readAssociation({ member, plan }: LayerContext): Promise<IdentityState['profile']> {
  const { instanceId } = plan.target;
  const { IamInstanceProfileAssociations: found } = await awsStep(
    `reading the instance profile of ${instanceId}`,
    (options) =>
      member.ec2.send(
        new DescribeIamInstanceProfileAssociationsCommand({
          Filters: [
            { Name: 'instance-id', Values: [instanceId] },
            { Name: 'state', Values: ['associating', 'associated'] },
          ],
        }),
        options,
      ),
  );
  const [association] = found ?? [];
  const arn = association?.IamInstanceProfile?.Arn;
  return arn === undefined ? undefined : { arn, associationId: association?.AssociationId ?? '' };
}

/** The role that the instance had; asked for when triage could not read it. Undefined when it has none. */
async function readRoleName({ member, plan }: LayerContext): Promise<string | undefined> {
  const planned = plan.layers.identity;
  if (!planned || planned.roleName !== undefined) return planned?.roleName;
  const name = nameOf(planned.profileArn);
  const { InstanceProfile: profile } = await awsStep(`reading instance profile ${name}`, (options) =>
    member.iam.send(new GetInstanceProfileCommand({ InstanceProfileName: name }), options),
  );
  return profile?.Roles?.[0]?.RoleName;
}

async function readRevocation({ member, plan }: LayerContext, RoleName: string): Promise<string | undefined> {
  const PolicyName = revocationPolicyName(plan.target.instanceId);
  try {
    const { PolicyDocument } = await awsStep(`reading policy ${PolicyName} of role ${RoleName}`, (options) =>
      member.iam.send(new GetRolePolicyCommand({ RoleName, PolicyName }), options),
    );
    // IAM answers with the document URL-encoded (RFC 3986).
    return PolicyDocument === undefined ? undefined : decodeURIComponent(PolicyDocument);
  } catch (error) {
    if (awsCode(error)?.startsWith('NoSuchEntity')) return undefined;
    throw error;
  }
}

async function exchangeProfile(context: LayerContext, wanted: string): Promise<void> {
  const current = await readAssociation(context);
  if (!current) return;
  const { plan } = context;
  const already = nameOf(current.arn) === wanted;
  if (!already) await replaceAssociation(context, current.associationId, { Name: wanted });
  noteAct({
    message: already
      ? `Instance ${plan.target.instanceId} has the isolation profile ${wanted} already`
      : `The instance profile of ${plan.target.instanceId} was exchanged: ${current.arn} → ${wanted}`,
    authority: authorityOf(plan),
    data: { changesSuspect: true, change: 'instance profile', reversible: true },
  });
}

async function replaceAssociation(
  { member, plan }: LayerContext,
  AssociationId: string,
  IamInstanceProfile: { Arn: string } | { Name: string },
): Promise<void> {
  await awsStep(`exchanging the instance profile of ${plan.target.instanceId}`, (options) =>
    member.ec2.send(new ReplaceIamInstanceProfileAssociationCommand({ AssociationId, IamInstanceProfile }), options),
  );
}

/** Keeps the revocation of an earlier attempt: it is younger than the exchange, and a new date would change nothing. */
async function revokeSessions(
  { member, plan }: LayerContext,
  RoleName: string,
  before: IdentityState,
  current: IdentityState,
): Promise<void> {
  const { accountId, region, instanceId } = plan.target;
  const ours = current.revocation !== undefined && !sameRevocation(current, before);
  const thisInstance = plan.layers.identity?.revoke !== 'whole-role';
  const partition = plan.layers.identity?.profileArn.split(':')[1] ?? 'aws';
  if (!ours) {
    const document = revocationPolicy(
      new Date().toISOString(),
      thisInstance ? `arn:${partition}:ec2:${region}:${accountId}:instance/${instanceId}` : undefined,
    );
    await awsStep(`revoking sessions of role ${RoleName}`, (options) =>
      member.iam.send(
        new PutRolePolicyCommand({
          RoleName,
          PolicyName: revocationPolicyName(instanceId),
          PolicyDocument: JSON.stringify(document),
        }),
        options,
      ),
    );
  }
  noteAct({
    message: `Older sessions of role ${RoleName} ${ours ? 'were revoked by an earlier attempt' : 'were revoked'} (${thisInstance ? `those of ${instanceId} only` : 'all of them'})`,
    authority: authorityOf(plan),
    data: { role: RoleName, policy: revocationPolicyName(instanceId) },
  });
}

async function takeRevocationBack(
  { member, plan }: LayerContext,
  before: IdentityState,
  after: IdentityState,
): Promise<void> {
  const RoleName = after.roleName ?? before.roleName;
  if (RoleName === undefined) return;
  const PolicyName = revocationPolicyName(plan.target.instanceId);
  const { iam } = member;
  const document = before.revocation?.document;
  await awsStep(`taking policy ${PolicyName} off role ${RoleName}`, (options) =>
    document === undefined
      ? iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName }), options)
      : iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument: document }), options),
  );
  noteAct({
    message: `The revocation was taken off role ${RoleName}: sessions that were issued before it are good again until they end`,
    data: { role: RoleName, policy: PolicyName },
  });
}
