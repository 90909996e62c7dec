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
  /** Network of another patch finder than the one in `shipped`. */
  readonly finder?: string;
}

/** `$LYNCEUS_HOME`, else `lynceus` in the user's data folder as the XDG base directory specification has it; `$LYNCEUS_FINDER` for those who train a patch finder of their own. */
export function storePaths(env: NodeJS.ProcessEnv = process.env): StorePaths {
  const data = env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share');
  const home = env['LYNCEUS_HOME'] || join(data, 'lynceus');
  const finder = env['LYNCEUS_FINDER'];
  return { models: join(home, 'models'), cache: join(home, 'cache'), profiles: join(home, 'guard'), shipped: fileURLToPath(new URL('../../models', import.meta.url)), ...(finder && { finder }) };
}
