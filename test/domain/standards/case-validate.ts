import { execFile } from 'node:child_process';
import path from 'node:path';
import { labConfig } from '../../../lab/config';
import { ensurePython } from '../../../lab/setup/python-environments';

/** Installs `case_validate` where it is not; otherwise found in milliseconds. */
const environment = () => ensurePython('standards', { cacheFolder: path.resolve(labConfig().cacheFolder) });

export const CASE_VALIDATE_TIMEOUT = 900_000;

/**
 * The verdict of `case_validate` (Python package case-utils) with its own ontology, offline and strict: warnings and hints count too.
 * @param file JSON-LD; one case a file
 * @throws when it gives no verdict
 */
export async function caseValidate(file: string): Promise<{ conforms: boolean; report: string }> {
  const { bin } = await environment();
  return new Promise((resolve, reject) => {
    execFile(path.join(bin, 'case_validate'), [file], { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const verdict = /^Conforms: (True|False)$/m.exec(stdout)?.[1];
      if (verdict === undefined) reject(new Error(`no verdict on ${file}: ${stderr || (error?.message ?? '')}`));
      // It warns on standard error of classes and properties that the ontology does not know.
      else resolve({ conforms: verdict === 'True' && error === null, report: `${stdout}${stderr}` });
    });
  });
}
