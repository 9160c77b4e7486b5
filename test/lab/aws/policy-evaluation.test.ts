/**
 * The emulator's evaluator of policies, row by row against what the IAM User Guide says. Pure: one Python process judges all
 * rows, no emulator runs.
 */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { emulatorPython } from './emulated-aws';

type Statement = Record<string, unknown>;

interface Row {
  /** Page of the IAM User Guide, and what it says. */
  page: string;
  says: string;
  action?: string;
  resource?: string | null;
  context?: Record<string, string[]>;
  /** Condition keys of which the evaluator is not told whether AWS sets them. */
  unknown?: string[];
  principal?: { account: string; arn: string; role_arn?: string };
  identity?: Statement[];
  boundary?: Statement[];
  session?: Statement[];
  resourcePolicy?: Statement[];
  resourceAccount?: string;
  granted?: boolean;
  resourceMustAllow?: boolean;
  allowed: boolean;
  reason?: RegExp;
}

const OWN = '111122223333';
const OTHER = '444455556666';
const USER = `arn:aws:iam::${OWN}:user/ann`;
const ROLE = `arn:aws:iam::${OWN}:role/reader`;
const SESSION = { account: OWN, arn: `arn:aws:sts::${OWN}:assumed-role/reader/case`, role_arn: ROLE };
const allow = (Action: unknown, Resource: unknown = '*', Condition?: unknown): Statement => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...(Condition !== undefined && { Condition }),
});
const deny = (Action: unknown, Resource: unknown = '*', Condition?: unknown): Statement => ({
  ...allow(Action, Resource, Condition),
  Effect: 'Deny',
});
const granting = (AWS: string, effect = 'Allow'): Statement => ({
  Effect: effect,
  Principal: { AWS },
  Action: 's3:GetObject',
  Resource: '*',
});

const LOGIC = 'Policy evaluation logic';
const BOUNDARY = 'Permissions boundaries for IAM entities';
const CROSS = 'Cross-account policy evaluation logic';
const ACTION = 'IAM JSON policy elements: Action';
const RESOURCE = 'IAM JSON policy elements: Resource';
const OPERATORS = 'IAM JSON policy elements: Condition operators';
const SETS = 'Set operators for multivalued context keys';
const VARIABLES = 'Policy variables';
const KEYS = 'Key policies in AWS KMS';
const LAB = 'not of AWS: what the lab does not know';

const SNAPSHOT = 'arn:aws:ec2:us-east-1::snapshot/snap-1';
const conditional = (condition: unknown) => [allow('s3:GetObject', '*', condition)];

const rows: Row[] = [
  { page: LOGIC, says: 'by default, all requests are implicitly denied', allowed: false, reason: /no identity-based/ },
  { page: LOGIC, says: 'an explicit allow overrides this default', identity: [allow('s3:*')], allowed: true },
  {
    page: LOGIC,
    says: 'an explicit deny in any policy overrides any allows',
    identity: [allow('*'), deny('s3:GetObject')],
    allowed: false,
    reason: /explicit deny in an identity-based/,
  },
  {
    page: LOGIC,
    says: 'in the same account, a resource-based policy that names the user grants without an identity-based one',
    resourcePolicy: [granting(USER)],
    allowed: true,
  },
  {
    page: LOGIC,
    says: 'a resource-based policy that names the account delegates: identity-based policies must allow',
    resourcePolicy: [granting(`arn:aws:iam::${OWN}:root`)],
    allowed: false,
  },
  {
    page: LOGIC,
    says: 'a deny in a resource-based policy counts against an identity-based allow',
    identity: [allow('*')],
    resourcePolicy: [granting('*', 'Deny')],
    allowed: false,
    reason: /explicit deny in a resource-based/,
  },
  {
    page: LOGIC,
    says: 'permissions granted to a role ARN are limited by an implicit deny in a session policy',
    principal: SESSION,
    resourcePolicy: [granting(ROLE)],
    session: [allow('ec2:*')],
    allowed: false,
    reason: /no session policy/,
  },
  {
    page: LOGIC,
    says: 'permissions granted to a role session ARN are not limited by an implicit deny in a session policy',
    principal: SESSION,
    resourcePolicy: [granting(SESSION.arn)],
    session: [allow('ec2:*')],
    allowed: true,
  },
  {
    page: LOGIC,
    says: 'session permissions are the intersection of the session policies and the identity-based policies',
    principal: SESSION,
    identity: [allow('ec2:*')],
    session: [allow('s3:GetObject')],
    allowed: false,
    reason: /no identity-based/,
  },
  {
    page: BOUNDARY,
    says: 'an entity may do only what both its identity-based policies and its permissions boundary allow',
    identity: [allow('*')],
    boundary: [allow('ec2:*')],
    allowed: false,
    reason: /no permissions boundary/,
  },
  {
    page: BOUNDARY,
    says: 'a permissions boundary does not provide permissions on its own',
    boundary: [allow('*')],
    allowed: false,
  },
  {
    page: BOUNDARY,
    says: 'an explicit deny in the boundary counts',
    identity: [allow('*')],
    boundary: [allow('*'), deny('s3:Get*')],
    allowed: false,
    reason: /explicit deny in a permissions boundary/,
  },
  {
    page: CROSS,
    says: 'access is allowed only if both accounts allow it: the resource-based policy alone is not enough',
    resourcePolicy: [granting(USER)],
    resourceAccount: OTHER,
    allowed: false,
  },
  {
    page: CROSS,
    says: 'access is allowed only if both accounts allow it: the identity-based policy alone is not enough',
    identity: [allow('*')],
    resourceAccount: OTHER,
    allowed: false,
    reason: /no resource-based/,
  },
  {
    page: CROSS,
    says: 'access is allowed if both allow it; the account may be named as a whole',
    identity: [allow('s3:GetObject')],
    resourcePolicy: [granting(OWN)],
    resourceAccount: OTHER,
    allowed: true,
  },
  {
    page: KEYS,
    says: 'unless the key policy allows it, identity-based policies have no effect',
    identity: [allow('*')],
    resourcePolicy: [granting(`arn:aws:iam::${OWN}:role/another`)],
    resourceMustAllow: true,
    allowed: false,
  },
  {
    page: KEYS,
    says: 'a grant allows what it names beside the policies, in another account with an identity-based policy of its own',
    identity: [allow('s3:GetObject')],
    resourceAccount: OTHER,
    resourceMustAllow: true,
    granted: true,
    allowed: true,
  },
  { page: ACTION, says: 'action names are case-insensitive', identity: [allow('S3:getobject')], allowed: true },
  { page: ACTION, says: 'wildcards * and ? stand for characters', identity: [allow('s3:Get?bject*')], allowed: true },
  {
    page: 'IAM JSON policy elements: NotAction',
    says: 'matches everything except the specified list',
    identity: [{ Effect: 'Allow', NotAction: ['s3:GetObject'], Resource: '*' }],
    allowed: false,
  },
  {
    page: RESOURCE,
    says: 'a statement applies to the resources that its ARNs name',
    identity: [allow('s3:*', 'arn:aws:s3:::bucket/b')],
    allowed: false,
  },
  {
    page: RESOURCE,
    says: 'a wildcard does not reach beyond its part of an ARN, but for the last one',
    action: 'ec2:DeleteSnapshot',
    resource: SNAPSHOT,
    identity: [allow('ec2:*', 'arn:aws:ec2:*:snapshot/*')],
    allowed: false,
  },
  {
    page: RESOURCE,
    says: 'an ARN may leave the account empty',
    action: 'ec2:DeleteSnapshot',
    resource: SNAPSHOT,
    identity: [allow('ec2:*', 'arn:aws:ec2:*::snapshot/*')],
    allowed: true,
  },
  {
    page: 'IAM JSON policy elements: NotResource',
    says: 'matches every resource except those specified',
    identity: [{ Effect: 'Allow', Action: 's3:*', NotResource: 'arn:aws:s3:::bucket/*' }],
    allowed: false,
  },
  {
    page: OPERATORS,
    says: 'StringEquals: exact matching, case sensitive',
    context: { 'aws:username': ['ann'] },
    identity: conditional({ StringEquals: { 'aws:UserName': 'Ann' } }),
    allowed: false,
  },
  {
    page: OPERATORS,
    says: 'StringEqualsIgnoreCase: exact matching, ignoring case',
    context: { 'aws:username': ['ann'] },
    identity: conditional({ StringEqualsIgnoreCase: { 'aws:UserName': ['bob', 'Ann'] } }),
    allowed: true,
  },
  {
    page: OPERATORS,
    says: 'StringNotEquals: all values are excluded',
    context: { 'aws:username': ['ann'] },
    identity: conditional({ StringNotEquals: { 'aws:username': ['bob', 'ann'] } }),
    allowed: false,
  },
  {
    page: OPERATORS,
    says: 'if the key is not present, the values do not match and the condition is false',
    identity: conditional({ StringLike: { 'aws:RequestTag/team': '*' } }),
    allowed: false,
  },
  {
    page: OPERATORS,
    says: 'if the condition requires that the key is not matched and the key is not present, the condition is true',
    identity: conditional({ StringNotLike: { 'aws:RequestTag/team': 'blue' } }),
    allowed: true,
  },
  {
    page: OPERATORS,
    says: '…IfExists: if the key is not present, evaluate the condition element as true',
    identity: conditional({ StringEqualsIfExists: { 'aws:RequestTag/team': 'blue' } }),
    allowed: true,
  },
  {
    page: OPERATORS,
    says: '…IfExists: if the key is present, process it as specified',
    context: { 'aws:requesttag/team': ['red'] },
    identity: conditional({ StringEqualsIfExists: { 'aws:RequestTag/team': 'blue' } }),
    allowed: false,
  },
  {
    page: OPERATORS,
    says: 'Null: true, the key does not exist; false, it does',
    context: { 'aws:requesttag/team': ['red'] },
    identity: conditional({ Null: { 'aws:RequestTag/team': 'false', 'aws:RequestTag/owner': true } }),
    allowed: true,
  },
  {
    page: OPERATORS,
    says: 'Bool matches true or false',
    context: { 'aws:securetransport': ['true'] },
    identity: [allow('*'), deny('*', '*', { Bool: { 'aws:SecureTransport': 'false' } })],
    allowed: true,
  },
  {
    page: OPERATORS,
    says: 'DateLessThan: matching before a specific date and time',
    context: { 'aws:tokenissuetime': ['2026-01-01T00:00:00Z'] },
    identity: [allow('*'), deny('*', '*', { DateLessThan: { 'aws:TokenIssueTime': '2026-01-01T00:00:01.5Z' } })],
    allowed: false,
  },
  {
    page: OPERATORS,
    says: 'NumericLessThanEquals',
    context: { 's3:max-keys': ['10'] },
    identity: conditional({ NumericLessThanEquals: { 's3:max-keys': 10 } }),
    allowed: true,
  },
  {
    page: OPERATORS,
    says: 'IpAddress: the specified address or range, in CIDR format',
    context: { 'aws:sourceip': ['203.0.113.9'] },
    identity: conditional({ IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } }),
    allowed: true,
  },
  {
    page: OPERATORS,
    says: 'NotIpAddress: all addresses except those',
    context: { 'aws:sourceip': ['203.0.113.9'] },
    identity: conditional({ NotIpAddress: { 'aws:SourceIp': ['198.51.100.0/24', '203.0.113.0/24'] } }),
    allowed: false,
  },
  {
    page: OPERATORS,
    says: 'ArnLike: each of the six parts is checked separately',
    context: { 'aws:principalarn': [ROLE] },
    identity: conditional({ ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:role/read*' } }),
    allowed: true,
  },
  {
    page: OPERATORS,
    says: 'several operators, and several keys of one, must all be true',
    context: { 'aws:username': ['ann'], 'aws:requestedregion': ['us-east-1'] },
    identity: conditional({
      StringEquals: { 'aws:username': 'ann', 'aws:RequestedRegion': 'eu-west-1' },
      StringLike: { 'aws:username': 'a*' },
    }),
    allowed: false,
  },
  {
    page: SETS,
    says: 'ForAllValues: true if every value of the request matches at least one of the policy',
    context: { 'aws:tagkeys': ['team', 'owner'] },
    identity: conditional({ 'ForAllValues:StringEquals': { 'aws:TagKeys': ['team'] } }),
    allowed: false,
  },
  {
    page: SETS,
    says: 'ForAllValues: true also if there are no keys in the request',
    identity: conditional({ 'ForAllValues:StringEquals': { 'aws:TagKeys': ['team'] } }),
    allowed: true,
  },
  {
    page: SETS,
    says: 'ForAnyValue: true if at least one value of the request matches; for no key, false',
    context: { 'aws:tagkeys': ['team', 'owner'] },
    identity: conditional({ 'ForAnyValue:StringEquals': { 'aws:TagKeys': ['owner'] } }),
    allowed: true,
  },
  {
    page: VARIABLES,
    says: 'a variable is replaced with the value of the context key',
    context: { 'aws:username': ['a'] },
    identity: [allow('s3:GetObject', 'arn:aws:s3:::bucket/${aws:username}')],
    allowed: true,
  },
  {
    page: VARIABLES,
    says: 'a value that holds a wildcard character is no pattern',
    context: { 'aws:username': ['*'] },
    identity: [allow('s3:GetObject', 'arn:aws:s3:::bucket/${aws:username}')],
    allowed: false,
  },
  {
    page: VARIABLES,
    says: 'a statement whose variable has no value does not match; a default takes its place',
    identity: [
      deny('s3:GetObject', 'arn:aws:s3:::bucket/${aws:username}'),
      allow('s3:GetObject', "arn:aws:s3:::bucket/${aws:username, 'a'}"),
    ],
    allowed: true,
  },
  {
    page: LAB,
    says: 'a condition on an unknown key does not stand in the way of an Allow',
    identity: conditional({ StringEquals: { 'aws:SourceVpce': 'vpce-1' } }),
    unknown: ['aws:sourcevpce'],
    allowed: true,
  },
  {
    page: LAB,
    says: 'a Deny on an unknown key does not deny',
    identity: [allow('*'), deny('*', '*', { StringNotEquals: { 'aws:SourceVpce': 'vpce-1' } })],
    unknown: ['aws:sourcevpce'],
    allowed: true,
  },
  {
    page: LAB,
    says: 'for an unknown resource an Allow of the action is enough, and a Deny of some resources does not deny',
    resource: null,
    identity: [allow('s3:*', 'arn:aws:s3:::bucket/*'), deny('s3:*', 'arn:aws:s3:::another/*')],
    allowed: true,
  },
  {
    page: LAB,
    says: 'for an unknown resource the action must still be allowed, and a Deny of everything denies',
    resource: null,
    identity: [allow('s3:*'), deny('s3:Get*')],
    allowed: false,
  },
];

const PROGRAM = `
import json, sys
sys.path.insert(0, sys.argv[1])
from overlay.iam_policy import Principal, Request, evaluate

def documents(statements):
    return None if statements is None else [json.dumps({"Version": "2012-10-17", "Statement": one}) for one in statements]

verdicts = []
for row in json.load(sys.stdin):
    unknown = row.get("unknown", [])
    context = {key: tuple(values) for key, values in row.get("context", {}).items()}
    resource = row.get("resource", "arn:aws:s3:::bucket/a")
    request = Request(row.get("action", "s3:GetObject"), resource, context, lambda key, unknown=unknown: key not in unknown)
    policy = row.get("resourcePolicy")
    verdict = evaluate(
        request,
        Principal(**row.get("principal", {"account": "${OWN}", "arn": "${USER}"})),
        documents(row.get("identity", [])),
        boundary=documents(row.get("boundary")),
        session=documents(row.get("session")),
        resource_policy=None if policy is None else json.dumps({"Version": "2012-10-17", "Statement": policy}),
        resource_account=row.get("resourceAccount"),
        granted=row.get("granted", False),
        resource_must_allow=row.get("resourceMustAllow", False),
    )
    verdicts.append({"allowed": verdict.allowed, "reason": verdict.reason})
json.dump(verdicts, sys.stdout)
`;

describe('policy evaluation', () => {
  let verdicts: { allowed: boolean; reason: string }[];

  beforeAll(() => {
    const folder = path.join(__dirname, '../../../lab/aws');
    const output = execFileSync(emulatorPython(), ['-B', '-c', PROGRAM, folder], { input: JSON.stringify(rows) });
    verdicts = JSON.parse(output.toString()) as typeof verdicts;
  });

  it.each(rows.map((row, index) => ({ ...row, index })))('$page: $says', ({ index, allowed, reason }) => {
    expect(verdicts[index]).toMatchObject({ allowed });
    if (reason) expect(verdicts[index]?.reason).toMatch(reason);
  });
});
