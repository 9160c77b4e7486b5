import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';

import { PROJECT_ROOT } from '../config';
import { withInstallLock } from './install-lock';
import { outputOf, runTool } from './run-tool';
import { MissingToolError, type SetupOptions } from './setup-options';
import { type SetupStep, silentProgress } from './setup-progress';

export type PythonEnvironmentName = 'aws' | 'forensics' | 'standards';

export interface PythonEnvironment {
  /** The environment's interpreter. */
  python: string;
  /** Folder of its commands. */
  bin: string;
}

interface EnvironmentRecipe {
  title: string;
  requirements: string;
  /** Of a first installation without any cache of pip's; for the progress bar. */
  expectedMegabytes: number;
  /** Imported after installation: a wheel whose native library does not load is found now, not in an examination. */
  check: string;
}

const RECIPES: Record<PythonEnvironmentName, EnvironmentRecipe> = {
  aws: {
    title: 'Python environment of the AWS emulator',
    requirements: path.join(PROJECT_ROOT, 'lab/aws/requirements.txt'),
    expectedMegabytes: 65,
    check: 'import moto.server',
  },
  forensics: {
    title: 'Python environment of the forensic image (plaso, Volatility 3)',
    requirements: path.join(PROJECT_ROOT, 'lab/setup/forensics-requirements.txt'),
    expectedMegabytes: 80,
    check:
      'import plaso, dfvfs, volatility3, pytsk3, pyfsext, pyfsxfs, pyfsntfs, pyvslvm, pyluksde, pyqcow, pyewf, ' +
      'yara_x, yara, capstone, Crypto',
  },
  standards: {
    title: 'Python environment of the check for CASE documents',
    requirements: path.join(PROJECT_ROOT, 'lab/setup/standards-requirements.txt'),
    expectedMegabytes: 35,
    check: 'import case_utils.case_validate',
  },
};

const PYTHON_COMMANDS = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10'];
const INSTALL_SECONDS = 900;

interface BasePython {
  command: string;
  version: string;
}

/** The first Python of 3.10 or newer that can make virtual environments. Throws MissingToolError. */
async function findPython(): Promise<BasePython> {
  const seen: string[] = [];
  for (const command of PYTHON_COMMANDS) {
    const version = await outputOf(command, ['-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])']);
    if (version === undefined) continue;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major !== 3 || minor < 10) {
      seen.push(`${command} is ${version}`);
      continue;
    }
    // Debian and Ubuntu keep venv and ensurepip in a package of their own.
    if ((await outputOf(command, ['-c', 'import venv, ensurepip'])) === undefined) {
      seen.push(`${command} (${version}) lacks the venv module: install python${major}.${minor}-venv`);
      continue;
    }
    return { command, version };
  }
  const found = seen.length > 0 ? ` Found: ${seen.join('; ')}.` : '';
  throw new MissingToolError(
    'Python 3.10 or newer with venv is missing; the AWS emulator and the forensic tools run in it. ' +
      `Install it, e.g. "apt install python3 python3-venv" or from python.org.${found}`,
  );
}

/** Adds up the sizes in pip's own "Downloading name (12.3 MB)" lines. */
function countDownloads(step: SetupStep): (line: string) => void {
  let megabytes = 0;
  return (line) => {
    const size = /^\s*Downloading .*\(([\d.]+) (kB|MB)/.exec(line);
    if (!size) return;
    megabytes += size[2] === 'MB' ? Number(size[1]) : Number(size[1]) / 1000;
    step.fetched(megabytes);
  };
}

/**
 * A virtual environment under <cache>/python/<name> with what its requirements file pins.
 * Made at the first call, remade when that file or Python's version changes, otherwise found in milliseconds.
 * What exactly got installed is kept in <environment>/installed.txt (pip freeze).
 */
export async function ensurePython(name: PythonEnvironmentName, options: SetupOptions): Promise<PythonEnvironment> {
  const recipe = RECIPES[name];
  const folder = path.join(options.cacheFolder, 'python', name);
  const environment = { python: path.join(folder, 'bin/python'), bin: path.join(folder, 'bin') };
  const requirements = await fs.readFile(recipe.requirements, 'utf8').catch(() => {
    throw new MissingToolError(`${recipe.requirements} is missing: it names what ${recipe.title} needs`);
  });
  const stampFile = path.join(folder, 'installed.stamp');
  const expected = createHash('sha256').update(requirements).digest('hex');
  const upToDate = async (): Promise<boolean> => {
    const stamp = await fs.readFile(stampFile, 'utf8').catch(() => '');
    // The interpreter below the environment may have been removed by an upgrade of the system.
    return stamp.trim() === expected && (await outputOf(environment.python, ['-c', 'print(1)'])) === '1';
  };
  if (await upToDate()) return environment;

  await withInstallLock(`${folder}.lock`, async () => {
    if (await upToDate()) return;
    const base = await findPython();
    const step = (options.progress ?? silentProgress).begin(recipe.title, recipe.expectedMegabytes);
    const log = (part: string): string => path.join(options.cacheFolder, 'logs', `python-${name}-${part}.log`);
    try {
      await fs.rm(folder, { recursive: true, force: true });
      const limits = { timeoutSeconds: INSTALL_SECONDS };
      await runTool(base.command, ['-m', 'venv', folder], { ...limits, logFile: log('venv') });
      const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--progress-bar', 'off', '--prefer-binary'];
      await runTool(environment.python, [...pip, '-r', recipe.requirements], {
        ...limits,
        logFile: log('pip'),
        onLine: countDownloads(step),
      });
      await runTool(environment.python, ['-c', recipe.check], { ...limits, logFile: log('check') });
      const installed = await outputOf(environment.python, ['-m', 'pip', 'freeze'], 60);
      await fs.writeFile(path.join(folder, 'installed.txt'), `${installed ?? ''}\n`);
      await fs.writeFile(stampFile, `${expected}\n`);
      step.done(`Python ${base.version}`);
    } catch (error) {
      step.failed();
      throw error;
    }
  });
  return environment;
}

/** Where the interpreter of an environment really lives; a sandbox has to see that folder too. */
export async function pythonHome(environment: PythonEnvironment): Promise<string> {
  const home = await outputOf(environment.python, ['-c', 'import sys; print(sys.base_prefix)']);
  if (home === undefined)
    throw new MissingToolError(`${environment.python} does not run: remove its folder and set up again`);
  return home;
}
