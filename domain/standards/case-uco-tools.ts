import type { CustodyFacts } from '../custody/facts';
import { contentOf } from './case-uco-content';
import type { LinkedData, Reference } from './linked-data';

/**
 * With what something was done. UCO's Tool has no digest: the program as it was run, and an SSM document, stand beside it as files.
 */
export function instrumentsOf(
  graph: LinkedData,
  { tool, document }: Pick<CustodyFacts, 'tool' | 'document'>,
): Reference[] {
  const instruments: Reference[] = [];
  if (tool) {
    instruments.push(toolOf(graph, tool));
    if (tool.sha256 !== undefined)
      instruments.push(programOf(graph, { ...tool, sha256: tool.sha256 }, `program of ${tool.name} as it was run`));
  }
  if (document) instruments.push(programOf(graph, document, 'AWS Systems Manager document that was run'));
  return instruments;
}

function toolOf(graph: LinkedData, tool: NonNullable<CustodyFacts['tool']>): Reference {
  const key = [tool.name, tool.version];
  const properties = { 'uco-core:name': tool.name, 'uco-tool:version': tool.version };
  const plain = graph.object('uco-tool:Tool', key, properties);
  if (!tool.arguments || tool.arguments.length === 0) return plain;
  const run = [...key, ...tool.arguments];
  return graph.object('uco-tool:ConfiguredTool', run, {
    ...properties,
    'uco-configuration:isConfigurationOf': plain,
    'uco-configuration:usesConfiguration': graph.object('uco-configuration:Configuration', run, {
      'uco-configuration:configurationEntry': tool.arguments.map((argument, index) =>
        graph.part('uco-configuration:ConfigurationEntry', [...run, String(index)], {
          'uco-configuration:itemName': `argument ${index + 1}`,
          'uco-configuration:itemValue': argument,
        }),
      ),
    }),
  });
}

function programOf(
  graph: LinkedData,
  { name, version, sha256 }: { name: string; version: string; sha256: string },
  description: string,
): Reference {
  const key = ['program', name, version, sha256];
  return graph.object('uco-observable:File', key, {
    'uco-core:name': `${name} ${version}`,
    'uco-core:description': description,
    'uco-core:hasFacet': [contentOf(graph, key, { sha256 })],
  });
}
