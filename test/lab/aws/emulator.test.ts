/**
 * The emulator holds AWS's rules: what the product may rely on, asked with the real AWS SDK. One emulator serves all.
 * Needs a Python with lab/aws/requirements.txt: LAB_PYTHON_AWS, or the one that the lab made in its cache.
 */
import './ebs-direct.rules';
import './ebs-keys.rules';
import './held-calls.rules';
import './iam.rules';
import './instances.rules';
import './object-locks.rules';
import './services.rules';
import './snapshot-locks.rules';
import './snapshots.rules';
import './states.rules';
import './storage.rules';
import './stored-policies.rules';
import './uploads.rules';
import { sharedEmulatedAws } from './emulated-aws';

afterEach(async () => {
  const { lab } = await sharedEmulatedAws();
  await lab.clearFaults();
  await lab.hold();
});
afterAll(async () => (await sharedEmulatedAws()).stop());
