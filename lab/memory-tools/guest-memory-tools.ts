import type { BuiltMemoryTool } from '../guest/avml';
import type { MemoryTool } from '../seed/deployment';
import { ensureLime, LimeError } from './lime';

/**
 * The ladder of acquisition tools for a guest: AVML, then LiME for the guest's kernel. Where LiME cannot be built the lab
 * goes on with AVML alone, and `note` says why.
 */
export async function guestMemoryTools(
  cacheFolder: string,
  guest: { avml: BuiltMemoryTool; kernelVersion: string },
): Promise<{ tools: MemoryTool[]; note?: string }> {
  const avml = { name: 'avml', version: guest.avml.version, file: guest.avml.path };
  try {
    const lime = await ensureLime(cacheFolder, guest.kernelVersion);
    const kernelRelease = guest.kernelVersion;
    return { tools: [avml, { name: 'lime', version: lime.version, file: lime.path, kernelRelease }] };
  } catch (error) {
    if (!(error instanceof LimeError)) throw error;
    return { tools: [avml], note: `memory is acquired by AVML only: ${error.message}` };
  }
}
