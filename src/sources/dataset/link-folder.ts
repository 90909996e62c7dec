import { rmSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LINKS_AT_A_TIME = 256;

const folders = new Set<string>();
let exitHookInstalled = false;

/** A temporary folder of links, so that ffmpeg can be given any list of files in any order. It goes with the process at the latest. */
export class LinkFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<LinkFolder> {
    installExitHook();
    const path = await mkdtemp(join(tmpdir(), 'lynceus-pictures-'));
    folders.add(path);
    return new LinkFolder(path);
  }

  /** Links `prefix` and a number from 0 to each of the paths. */
  async link(prefix: string, paths: readonly string[]): Promise<void> {
    for (let from = 0; from < paths.length; from += LINKS_AT_A_TIME) {
      const some = paths.slice(from, from + LINKS_AT_A_TIME);
      await Promise.all(some.map((path, i) => symlink(path, join(this.path, `${prefix}${from + i}`))));
    }
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
    folders.delete(this.path);
  }
}

function installExitHook(): void {
  if (exitHookInstalled) return;
  exitHookInstalled = true;
  process.on('exit', () => {
    for (const path of folders) rmSync(path, { recursive: true, force: true });
  });
}
