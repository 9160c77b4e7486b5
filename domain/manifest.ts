/**
 * What an instance is given to work with: a small text whose URLs are pre-signed, fetched with one pre-signed GET.
 * Line-based, so that a document can read it with `while read` and nothing has to be installed. Fields are separated by
 * one blank and hold none. A manifest is a bearer secret for as long as its URLs live: never log it, never return it.
 *
 *   forensics-manifest 1
 *   case i-0123456789abcdef0-20261122t073000z
 *   tool program avml 0.21.0 <sha256> <GET url>
 *   tool kernel-module lime 1.9.1 <sha256> <GET url> 6.1.0-56-cloud-amd64
 *   part-size 33554432
 *   part 1 <PUT url>
 *   next <GET url>                               (where a manifest with fresh URLs will be)
 *   input memory.lime <sha256> <bytes> <GET url>
 *   output linux.pslist.jsonl <PUT url>
 */
export interface Manifest {
  caseId: string;
  /** The first one that fits the instance's kernel is used; a program fits every kernel. */
  tools?: ManifestTool[];
  /** Bytes of every part but the last. */
  partSize?: number;
  parts?: { number: number; url: string }[];
  next?: string;
  inputs?: { name: string; sha256: string; sizeBytes: number; url: string }[];
  outputs?: { name: string; url: string }[];
}

interface ManifestTool {
  kind: 'program' | 'kernel-module';
  name: string;
  version: string;
  sha256: string;
  url: string;
  /** As `uname -r` prints it; for a kernel module. */
  kernelRelease?: string;
}

function line(...fields: (string | number)[]): string {
  const bad = fields.find((field) => !/^[\x21-\x7e]+$/.test(String(field)));
  if (bad !== undefined)
    throw new TypeError(`a manifest field must be printable ASCII without blanks, got ${JSON.stringify(bad)}`);
  return fields.join(' ');
}

export function renderManifest(manifest: Manifest): string {
  return [
    line('forensics-manifest', 1),
    line('case', manifest.caseId),
    ...(manifest.tools ?? []).map(({ kind, name, version, sha256, url, kernelRelease }) =>
      line('tool', kind, name, version, sha256, url, ...(kernelRelease === undefined ? [] : [kernelRelease])),
    ),
    ...(manifest.partSize !== undefined ? [line('part-size', manifest.partSize)] : []),
    ...(manifest.parts ?? []).map((part) => line('part', part.number, part.url)),
    ...(manifest.next !== undefined ? [line('next', manifest.next)] : []),
    ...(manifest.inputs ?? []).map((input) => line('input', input.name, input.sha256, input.sizeBytes, input.url)),
    ...(manifest.outputs ?? []).map((output) => line('output', output.name, output.url)),
    '',
  ].join('\n');
}
