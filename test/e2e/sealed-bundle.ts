import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { CaseOutcome } from '../../domain/outcome';
import type { Manifest } from '../../domain/custody/bundle';
import type { BundleVerdict } from '../../starters/verify/verify-bundle';
import { CASE_VALIDATE_TIMEOUT, caseValidate } from '../domain/standards/case-validate';
import { forensics, run } from './command-line';
import type { TestLab } from './support';

/** What must hold of the sealed bundle of a whole case; a part of the suite that ran the case. */
export function describeSealedBundle(the: () => { lab: TestLab; outcome: CaseOutcome }): void {
  describe('its sealed bundle', () => {
    let folder: string;
    let bundle: string;

    beforeAll(async () => {
      folder = await mkdtemp(path.join(os.tmpdir(), 'sealed-bundle-'));
      bundle = path.join(folder, 'case');
      await forensics(the().lab, 'export', the().outcome.caseId, '--out', bundle, '--with', 'all');
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    test('verifies by the program that came with it, every exhibit of the case in it', async () => {
      const said = await run(process.execPath, [path.join(bundle, 'verify.cjs'), bundle, '--json'], {});
      const verdict = JSON.parse(said) as BundleVerdict;
      expect(verdict).toMatchObject({ holds: true, keyFingerprint: the().outcome.seal!.publicKeySha256 });
      expect(verdict.exhibits.map(({ id, sha256, verdict: state }) => [id, sha256, state]).sort()).toEqual(
        the()
          .outcome.exhibits.map(({ id, sha256, kind }) => [id, sha256, kind === 'memory' ? 'intact' : 'blocks-intact'])
          .sort(),
      );
    });

    test(
      'is a case in CASE/UCO, as case_validate has it',
      async () => {
        expect(await caseValidate(path.join(bundle, 'documents/case.jsonld'))).toMatchObject({ conforms: true });
      },
      CASE_VALIDATE_TIMEOUT,
    );

    test('verifies as a case, fetched anew', async () => {
      const said = await forensics(the().lab, 'verify', the().outcome.caseId);
      expect(said.trim().split('\n').at(-1)).toBe('EVERYTHING HOLDS');
    });

    test('holds the history of the case and of each of its children, and how every timeline came to be', async () => {
      const manifest = JSON.parse(await readFile(path.join(bundle, 'manifest.json'), 'utf8')) as Manifest;
      const histories = manifest.histories ?? [];
      // The case; a child for memory and each disk; a child for the examination of each exhibit.
      expect(histories).toHaveLength(1 + 2 * the().outcome.exhibits.length);
      for (const { path: name, events, missing } of histories) {
        const lines = (await readFile(path.join(bundle, name), 'utf8')).split('\n').length - 1;
        expect({ name, lines, missing }).toEqual({ name, lines: events, missing: undefined });
        expect(events).toBeGreaterThan(5);
      }
      for (const exhibit of the().outcome.exhibits.filter(({ kind }) => kind === 'disk')) {
        const volume = manifest.derived.find(({ from }) =>
          from.some((one) => one.endsWith(`volume/${exhibit.source}`)),
        );
        const copy = 'snapshotId' in exhibit.location ? exhibit.location.snapshotId : '';
        expect([exhibit.id, volume?.path === undefined]).toEqual([exhibit.id, false]);
        expect(manifest.derived.some(({ path: name, from }) => name.endsWith(copy) && from.length > 0)).toBe(true);
      }
    });

    test('carries no secret', async () => {
      const secret = the().lab.deployment.environment.AWS_SECRET_ACCESS_KEY!;
      const names = (await readdir(bundle, { recursive: true })).filter((name) =>
        /\.(jsonl?|jsonld|html|md)$/.test(name),
      );
      expect(names.length).toBeGreaterThan(10);
      for (const name of names.filter((one) => !one.startsWith('evidence'))) {
        const text = await readFile(path.join(bundle, name), 'utf8');
        // Payloads of a history are Base64.
        const decoded = text.replace(/"data":"([^"]+)"/g, (_all, data: string) =>
          Buffer.from(data, 'base64').toString(),
        );
        const found = decoded.match(/X-Amz-Signature|X-Amz-Security-Token|aws_secret_access_key/gi) ?? [];
        expect({ name, found, secret: decoded.includes(secret) }).toEqual({ name, found: [], secret: false });
      }
    });
  });
}
