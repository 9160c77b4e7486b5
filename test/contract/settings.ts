/** What a run against AWS is told by its environment. */
export interface AwsSettings {
  region: string;
  /** Profiles of the shared AWS configuration files: the account with the suspects, and the forensics account. */
  profiles: { member: string; forensics: string };
  /** A subnet of the member account with a way to Systems Manager; without it the default VPC's. */
  subnetId?: string;
}

/** `LAB=aws` points the suite at AWS; everything else, and nothing, means the lab. */
export function isAws(env: NodeJS.ProcessEnv = process.env): boolean {
  const target = env.LAB ?? 'lab';
  if (target !== 'lab' && target !== 'aws') {
    throw new Error(`LAB="${target}" is no target of the contract tests: leave it out for the lab, or set LAB=aws`);
  }
  return target === 'aws';
}

/** @throws Error that says in one line what to set; before any call to AWS. */
export function awsSettings(env: NodeJS.ProcessEnv = process.env): AwsSettings {
  if (env.CONTRACT_I_ACCEPT_COSTS !== 'yes') {
    throw new Error(
      'the contract tests make resources that AWS charges for (docs/contract-tests.md has the estimate): ' +
        'set CONTRACT_I_ACCEPT_COSTS=yes to run them with LAB=aws',
    );
  }
  const required = (name: string, what: string): string => {
    const value = env[name];
    if (value === undefined || value === '') throw new Error(`${name} is not set: give ${what}`);
    return value;
  };
  const region = required('CONTRACT_REGION', 'the Region in which the resources are made, e.g. eu-central-1');
  const member = required('CONTRACT_MEMBER_PROFILE', 'the profile of an account that may hold test instances');
  const forensics = required('CONTRACT_FORENSICS_PROFILE', 'the profile of a second account, which copies evidence');
  if (member === forensics) {
    throw new Error(
      `CONTRACT_MEMBER_PROFILE and CONTRACT_FORENSICS_PROFILE both name "${member}": the rules between accounts need two`,
    );
  }
  const subnetId = env.CONTRACT_SUBNET_ID;
  return { region, profiles: { member, forensics }, ...(subnetId && { subnetId }) };
}
