import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folders = new Set<string>();
let exitHookInstalled = false;

/** The address of a socket holds 107 bytes: where TMPDIR is longer than that allows, /tmp has to do. */
const LONGEST_ROOT = 80;

/** A temporary folder that only we may enter; removed when we exit, at the latest. */
export function createPrivateFolder(): string {
  if (!exitHookInstalled) {
    exitHookInstalled = true;
    process.on('exit', () => folders.forEach(removePrivateFolder));
  }
  const root = tmpdir();
  const folder = mkdtempSync(join(root.length <= LONGEST_ROOT ? root : '/tmp', 'lynceus-'));
  folders.add(folder);
  return folder;
}

export function removePrivateFolder(folder: string): void {
  folders.delete(folder);
  rmSync(folder, { recursive: true, force: true });
}
