/**
 * The emulator holds AWS's rules: what the product may rely on, asked with the real AWS SDK. One emulator serves all.
 * Needs a Python with lab/aws/requirements.txt: LAB_PYTHON_AWS, or the one that the lab made in its cache.
 */
import './instances.rules';
import './services.rules';
import './snapshots.rules';
import './storage.rules';
import { sharedEmulatedAws } from './emulated-aws';

afterEach(async () => (await sharedEmulatedAws()).lab.clearFaults());
afterAll(async () => (await sharedEmulatedAws()).stop());
