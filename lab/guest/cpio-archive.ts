/**
 * Writes archives in cpio's "newc" format, the one the Linux kernel unpacks as its initial file system
 * (kernel documentation, "initramfs buffer format"). Everything belongs to root, whoever builds it.
 */
const MODE_FOLDER = 0o040000;
const MODE_FILE = 0o100000;
const MODE_LINK = 0o120000;
const TRAILER = 'TRAILER!!!';

export class CpioArchive {
  private readonly parts: Buffer[] = [];
  private readonly folders = new Set<string>();
  private nextInode = 1;

  /** Adds a folder, and the folders above it. `path` is absolute. */
  folder(path: string): this {
    const names = path.split('/').filter((name) => name !== '');
    for (let depth = 1; depth <= names.length; depth++) {
      const name = names.slice(0, depth).join('/');
      if (this.folders.has(name)) continue;
      this.folders.add(name);
      this.entry(name, MODE_FOLDER | 0o755, Buffer.alloc(0));
    }
    return this;
  }

  file(path: string, content: Buffer | string, permissions = 0o644): this {
    this.folder(path.slice(0, path.lastIndexOf('/')));
    this.entry(path.replace(/^\//, ''), MODE_FILE | permissions, Buffer.from(content));
    return this;
  }

  link(path: string, target: string): this {
    this.folder(path.slice(0, path.lastIndexOf('/')));
    this.entry(path.replace(/^\//, ''), MODE_LINK | 0o777, Buffer.from(target));
    return this;
  }

  /** The whole archive; nothing can be added afterwards. */
  finish(): Buffer {
    this.entry(TRAILER, 0, Buffer.alloc(0));
    return Buffer.concat(this.parts);
  }

  private entry(name: string, mode: number, content: Buffer): void {
    const nameBytes = Buffer.from(`${name}\0`);
    const links = 1;
    // inode, mode, uid, gid, links, mtime, size, device (two), special device (two), size of the name, checksum
    const fields = [this.nextInode++, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, nameBytes.length, 0];
    const header = `070701${fields.map((value) => value.toString(16).padStart(8, '0')).join('')}`;
    this.padded(Buffer.concat([Buffer.from(header), nameBytes]));
    this.padded(content);
  }

  private padded(bytes: Buffer): void {
    this.parts.push(bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4));
  }
}
