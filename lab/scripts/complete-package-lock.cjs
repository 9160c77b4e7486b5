/**
 * Adds to package-lock.json the optional platform packages that npm leaves out where the registry does not offer them
 * (a mirror with packages for one platform only). `npm ci` refuses a lock without them. Run it after `npm install` there:
 *   node lab/scripts/complete-package-lock.cjs
 */
const fs = require('node:fs');

const SYSTEMS = ['darwin', 'linux', 'win32', 'android', 'freebsd', 'openharmony', 'openbsd', 'netbsd', 'sunos', 'aix'];
const PROCESSORS = ['arm64', 'x64', 'ia32', 'ppc64', 's390x', 'riscv64', 'loong64', 'arm'];

const file = 'package-lock.json';
const lock = JSON.parse(fs.readFileSync(file, 'utf8'));
const added = {};
for (const [place, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const known = lock.packages[`node_modules/${name}`] ?? lock.packages[`${place}/node_modules/${name}`];
    const system = SYSTEMS.find((one) => name.includes(one));
    if (known || !system) continue;
    const processor = PROCESSORS.find((one) => name.includes(one));
    added[`node_modules/${name}`] = {
      version,
      ...(entry.dev && { dev: true }),
      ...(processor && { cpu: [processor] }),
      optional: true,
      os: [system],
    };
  }
}
const sorted = Object.entries({ ...lock.packages, ...added }).sort(([a], [b]) => (a < b ? -1 : 1));
fs.writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
console.log(`${Object.keys(added).length} optional packages added to ${file}`);
