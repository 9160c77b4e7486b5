import type { CaseDossier } from '../custody/dossier';
import type { ExhibitKind } from '../evidence';
import type { NetworkInterfaceFacts } from '../instance-facts';
import { integer, type LinkedData, type LinkedNode, type Reference } from './linked-data';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

export const related = (graph: LinkedData, kind: string, source: Reference, target: Reference): Reference =>
  graph.object('uco-observable:ObservableRelationship', [kind, source['@id'], target['@id']], {
    'uco-core:kindOfRelationship': kind,
    'uco-core:source': source,
    'uco-core:target': target,
    'uco-core:isDirectional': true,
  });

/** The suspect and what it was made of, as triage read it; where nothing could be read, what the request names. */
export class Suspect {
  readonly account: Reference;
  readonly instance: Reference;
  private readonly memory: Reference;

  constructor(
    private readonly graph: LinkedData,
    { request, facts }: CaseDossier,
  ) {
    const { accountId, region, instanceId } = request.target;
    const key = ['instance', instanceId];
    this.account = this.accountOf(accountId);
    const interfaces = facts?.networkInterfaces.map((one) => this.networkInterface(one));
    const facets: LinkedNode[] = [
      graph.part('uco-observable:DeviceFacet', key, {
        'uco-observable:deviceType': 'Amazon EC2 instance',
        'uco-observable:serialNumber': instanceId,
        'uco-observable:model': facts?.instanceType,
      }),
    ];
    if (facts) {
      facets.push(
        graph.part('uco-observable:ComputerSpecificationFacet', key, {
          'uco-observable:totalRam': integer(facts.memoryMiB * MIB),
          'uco-observable:processorArchitecture': facts.architecture,
          'uco-observable:networkInterface': interfaces,
        }),
      );
    }
    this.instance = graph.object('uco-observable:Device', key, {
      'uco-core:name': instanceId,
      'uco-core:description': facts
        ? `EC2 instance in ${region}, launched ${facts.launchTime} from image ${facts.imageId}, ${facts.state} at triage`
        : `EC2 instance in ${region}; it could not be read`,
      'uco-core:hasFacet': facets,
    });
    related(graph, 'Contained_Within', this.instance, this.account);
    for (const one of interfaces ?? []) related(graph, 'Contained_Within', one, this.instance);

    this.memory = graph.object('uco-observable:Memory', key, { 'uco-core:name': `memory of ${instanceId}` });
    related(graph, 'Contained_Within', this.memory, this.instance);
    for (const { volumeId, device, sizeGiB } of facts?.volumes ?? []) {
      const volume = this.volume(volumeId, `attached as ${device}`, sizeGiB * GIB);
      related(graph, 'Contained_Within', volume, this.instance);
    }
  }

  /** What an exhibit was taken from. */
  source(kind: ExhibitKind, id: string): Reference {
    return kind === 'memory' ? this.memory : this.volume(id);
  }

  accountOf(accountId: string): Reference {
    const { graph } = this;
    const amazon = graph.object('uco-identity:Organization', ['amazon'], { 'uco-core:name': 'Amazon Web Services' });
    return graph.object('uco-observable:DigitalAccount', ['account', accountId], {
      'uco-core:name': `AWS account ${accountId}`,
      'uco-core:hasFacet': [
        graph.part('uco-observable:AccountFacet', ['account', accountId], {
          'uco-observable:accountIdentifier': accountId,
          'uco-observable:accountIssuer': amazon,
        }),
      ],
    });
  }

  /** An EBS volume: a block device. UCO's Disk is a thing with rotating surfaces. */
  private volume(volumeId: string, description?: string, sizeBytes?: number): Reference {
    const { graph } = this;
    const key = ['volume', volumeId];
    const facets = [graph.part('uco-observable:VolumeFacet', key, { 'uco-observable:volumeID': volumeId })];
    if (sizeBytes !== undefined)
      facets.push(graph.part('uco-observable:DiskFacet', key, { 'uco-observable:diskSize': integer(sizeBytes) }));
    return graph.object('uco-observable:Volume', key, {
      'uco-core:name': volumeId,
      'uco-core:description': description,
      'uco-core:hasFacet': facets,
    });
  }

  private networkInterface(facts: NetworkInterfaceFacts): Reference {
    const { graph } = this;
    const { networkInterfaceId, privateIpAddresses, publicAddresses, ipv6Addresses } = facts;
    const ipv4 = [...privateIpAddresses, ...publicAddresses.map(({ address }) => address)];
    const key = ['interface', networkInterfaceId];
    return graph.object('uco-observable:NetworkInterface', key, {
      'uco-core:name': networkInterfaceId,
      'uco-core:hasFacet': [
        graph.part('uco-observable:NetworkInterfaceFacet', key, {
          'uco-observable:adapterName': networkInterfaceId,
          'uco-observable:ip': [
            ...ipv4.map((address) => this.address('IPv4Address', address)),
            ...ipv6Addresses.map((address) => this.address('IPv6Address', address)),
          ],
        }),
      ],
    });
  }

  private address(kind: 'IPv4Address' | 'IPv6Address', address: string): Reference {
    return this.graph.object(`uco-observable:${kind}`, [address], {
      'uco-core:hasFacet': [
        this.graph.part(`uco-observable:${kind}Facet`, [address], { 'uco-observable:addressValue': address }),
      ],
    });
  }
}
