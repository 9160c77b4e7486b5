import fs from 'node:fs/promises';
import path from 'node:path';

import { withInstallLock } from './install-lock';
import { findOnPath, runTool } from './run-tool';
import type { SetupOptions } from './setup-options';
import { shellQuoted } from './shell-quote';
import { silentProgress } from './setup-progress';

const VERSION = '1.31.0';
const EXPECTED_MEGABYTES = 38;

/** Maven needs a project to resolve dependencies of; this one has nothing but the test server. */
const PROJECT_FILE = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lab</groupId>
  <artifactId>time-skipping-server</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId>
      <artifactId>temporal-test-server</artifactId>
      <version>${VERSION}</version>
    </dependency>
  </dependencies>
</project>
`;

/**
 * Path of a command that starts Temporal's time-skipping test server (Java), for tests that wait for days.
 * Undefined where Java or Maven is not at hand or the jars cannot be had: tests of long waits then run on the ordinary server, scaled down.
 */
export async function findTimeSkippingServer(options: SetupOptions): Promise<string | undefined> {
  const folder = path.join(options.cacheFolder, 'time-skipping-server', VERSION);
  const command = path.join(folder, 'time-skipping-server');
  const isMade = (): Promise<boolean> =>
    fs.access(command).then(
      () => true,
      () => false,
    );
  const java = await findOnPath('java');
  if (!java) return undefined;
  if (await isMade()) return command;
  const maven = await findOnPath('mvn');
  if (!maven) return undefined;

  return withInstallLock(`${folder}.lock`, async () => {
    if (await isMade()) return command;
    const step = (options.progress ?? silentProgress).begin(
      'Temporal time-skipping test server (Maven)',
      EXPECTED_MEGABYTES,
    );
    try {
      await fs.mkdir(folder, { recursive: true });
      await fs.writeFile(path.join(folder, 'pom.xml'), PROJECT_FILE);
      const jars = path.join(folder, 'jars');
      await runTool(maven, ['-B', '-f', folder, 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`], {
        logFile: path.join(options.cacheFolder, 'logs/time-skipping-server.log'),
        timeoutSeconds: 600,
      });
      // A serial collector and the first compiler level only: it starts in half the time.
      const start = `exec ${shellQuoted(java)} -XX:+UseSerialGC -XX:TieredStopAtLevel=1`;
      const script = `#!/bin/sh\n${start} -cp ${shellQuoted(`${jars}/*`)} io.temporal.testserver.TestServer "$@"\n`;
      await fs.writeFile(`${command}.new`, script, { mode: 0o755 });
      await fs.rename(`${command}.new`, command);
      step.done(VERSION);
      return command;
    } catch {
      // It is a convenience for tests: their output names that it is absent, the log says why.
      step.failed();
      return undefined;
    }
  });
}
