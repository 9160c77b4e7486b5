/*
 * First step of `npm run demo`, `npm test`, `npm run test:faults` and `npm run bench`, before any package is installed: plain Node only.
 * Checks Node's version, installs the packages that package-lock.json names if they are not there yet, then runs
 * lab/scripts/<name>.ts with the remaining arguments. Exit code and signals are passed on.
 */
'use strict';

const { spawn, spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const SCRIPTS = ['demo', 'test', 'faults', 'bench'];
const root = path.resolve(__dirname, '../..');
const packages = path.join(root, 'node_modules');
const stampFile = path.join(packages, '.installed-from');
const lockFile = path.join(root, 'package-lock.json');

function fail(message) {
  console.error(message);
  process.exit(1);
}

function checkNode() {
  const { engines } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  const wanted = engines.node.replace(/^\D+/, '').split('.').map(Number);
  const have = process.versions.node.split('.').map(Number);
  const newEnough = have[0] !== wanted[0] ? have[0] > wanted[0] : have[1] >= (wanted[1] ?? 0);
  if (!newEnough) {
    fail(`Node ${process.versions.node} is too old: this project needs Node ${engines.node}. Get it from nodejs.org.`);
  }
}

function lockDigest() {
  return createHash('sha256').update(fs.readFileSync(lockFile)).digest('hex');
}

function isInstalled() {
  if (fs.existsSync(stampFile)) return fs.readFileSync(stampFile, 'utf8').trim() === lockDigest();
  // Installed by hand with npm: it leaves a copy of what it installed from, as old as the installation.
  const npmRecord = path.join(packages, '.package-lock.json');
  return fs.existsSync(npmRecord) && fs.statSync(npmRecord).mtimeMs >= fs.statSync(lockFile).mtimeMs;
}

function install() {
  const startedAt = Date.now();
  console.error('Packages of the project (npm ci) ...');
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: 'inherit' });
  if (npm.error) fail(`npm cannot be run (${npm.error.message}): it comes with Node, see nodejs.org.`);
  if (npm.status !== 0) fail('npm ci failed; its own lines above say why.');
  fs.writeFileSync(stampFile, `${lockDigest()}\n`);
  console.error(`Packages of the project (npm ci): done in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
}

function run(name, args) {
  const loader = pathToFileURL(require.resolve('tsx')).href;
  const script = path.join(__dirname, `${name}.ts`);
  const child = spawn(process.execPath, ['--import', loader, script, ...args], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to both; a second one would cut the child's tidy end short.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.once('error', (error) => fail(`${script} cannot be run: ${error.message}`));
  child.once('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}

// The AWS SDK tells every process on Node 20 that it will need Node 22 from 2027; the README says it once.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
const [name, ...args] = process.argv.slice(2);
if (!SCRIPTS.includes(name)) fail(`Usage: node lab/scripts/bootstrap.cjs ${SCRIPTS.join('|')} [arguments]`);
checkNode();
if (!isInstalled()) install();
run(name, args);
