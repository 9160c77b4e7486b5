/** The services that the product calls: package and client of the SDK, and the API Reference that documents them. */
export const SERVICES = [
  {
    package: '@aws-sdk/client-auto-scaling',
    client: 'AutoScalingClient',
    reference: 'Amazon EC2 Auto Scaling API Reference',
  },
  { package: '@aws-sdk/client-dynamodb', client: 'DynamoDBClient', reference: 'Amazon DynamoDB API Reference' },
  { package: '@aws-sdk/client-ebs', client: 'EBSClient', reference: 'EBS direct APIs Reference' },
  { package: '@aws-sdk/client-ec2', client: 'EC2Client', reference: 'Amazon EC2 API Reference' },
  {
    package: '@aws-sdk/client-elastic-load-balancing-v2',
    client: 'ElasticLoadBalancingV2Client',
    reference: 'Elastic Load Balancing API Reference',
  },
  { package: '@aws-sdk/client-iam', client: 'IAMClient', reference: 'IAM API Reference' },
  { package: '@aws-sdk/client-kms', client: 'KMSClient', reference: 'AWS KMS API Reference' },
  { package: '@aws-sdk/client-s3', client: 'S3Client', reference: 'Amazon S3 API Reference' },
  { package: '@aws-sdk/client-sns', client: 'SNSClient', reference: 'Amazon SNS API Reference' },
  { package: '@aws-sdk/client-ssm', client: 'SSMClient', reference: 'AWS Systems Manager API Reference' },
  { package: '@aws-sdk/client-sts', client: 'STSClient', reference: 'AWS STS API Reference' },
] as const;

/** Title of the page of an operation, e.g. "Amazon EC2 API Reference: CopySnapshot". */
export const operationPage = (reference: string, operation: string): string => `${reference}: ${operation}`;

/** Whether a page is that of one operation, as against one of a user guide or the list of error codes. */
export function isOperationPage(page: string): boolean {
  const [reference, operation] = page.split(': ');
  return /^[A-Z][A-Za-z]+$/.test(operation ?? '') && SERVICES.some((service) => service.reference === reference);
}
