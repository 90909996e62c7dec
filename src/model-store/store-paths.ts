import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folders that models come from and go to. */
export interface StorePaths {
  /** Models that the user added, a folder each. */
  readonly models: string;
  /** What can be made again: models used by path, prepared variants of shipped models, downloads. */
  readonly cache: string;
  /** Clean profiles of models whose folder isn't the user's, a folder each; `guard` beside `models` where not given. */
  readonly profiles?: string;
  /** `models/` of this package. */
  readonly shipped: string;
}

/** `$LYNCEUS_HOME`, else `lynceus` in the user's data folder as the XDG base directory specification has it. */
export function storePaths(env: NodeJS.ProcessEnv = process.env): StorePaths {
  const data = env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share');
  const home = env['LYNCEUS_HOME'] || join(data, 'lynceus');
  return { models: join(home, 'models'), cache: join(home, 'cache'), profiles: join(home, 'guard'), shipped: fileURLToPath(new URL('../../models', import.meta.url)) };
}
