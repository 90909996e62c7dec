import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, copyFileSync, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { AppError } from '../core/errors.js';

/** The ffmpeg that decodes, and how its options are spelled. */
export interface FfmpegBinaries {
  readonly ffmpegPath: string;
  readonly ffprobePath: string;
  /** As ffmpeg states it: `5.1.9-0+deb12u1`, or a git description. */
  readonly version: string;
  /** True for the copy of 2018 that came with npm: it works, and lacks years of fixes. */
  readonly packaged: boolean;
  /** Version of libavformat: comparable, also for builds from git. Options were renamed at 59.0 (ffmpeg 5.0) and 59.27 (5.1). */
  readonly libavformat: { readonly major: number; readonly minor: number };
}

type Environment = Readonly<Record<string, string | undefined>>;

let found: FfmpegBinaries | undefined;

/**
 * Finds ffmpeg and ffprobe: `LYNCEUS_FFMPEG` or `FFMPEG_PATH`, then the system's on PATH, then the packaged ones (with one warning).
 * The answer for the process's own environment is kept.
 *
 * @throws AppError ERR_FFMPEG_MISSING where there is none, or the one that was named doesn't run.
 */
export function findFfmpeg(environment: Environment = process.env): FfmpegBinaries {
  if (environment !== process.env) return search(environment);
  if (found) return found;
  found = search(environment);
  if (found.packaged && !namedIn(environment)) warnOfPackaged(found.version);
  return found;
}

function search(environment: Environment): FfmpegBinaries {
  const named = namedIn(environment);
  if (named) {
    const binaries = inspect(named, probeFor(named, environment), named === packagedPath('ffmpeg'));
    if (binaries) return binaries;
    throw new AppError('ERR_FFMPEG_MISSING', `Expected an ffmpeg that runs at ${named} (LYNCEUS_FFMPEG or FFMPEG_PATH) but found none.`, {
      fix: 'Correct the variable, or unset it to use the ffmpeg on PATH.',
    });
  }
  const system = onPath('ffmpeg', environment);
  const packaged = packagedPath('ffmpeg');
  const binaries =
    (system && inspect(system, probeFor(system, environment), false)) ?? (packaged && inspect(packaged, probeFor(packaged, environment), true));
  if (binaries) return binaries;
  throw new AppError('ERR_FFMPEG_MISSING', 'Expected ffmpeg on PATH or in the npm package but found neither.', {
    fix: 'Install ffmpeg (Debian and Ubuntu: apt-get install ffmpeg; macOS: brew install ffmpeg), or set LYNCEUS_FFMPEG to it.',
  });
}

function namedIn(environment: Environment): string | undefined {
  return environment['LYNCEUS_FFMPEG'] ?? environment['FFMPEG_PATH'];
}

/** Asks an ffmpeg for its version; undefined where it doesn't run. */
function inspect(ffmpegPath: string, ffprobePath: string | undefined, packaged: boolean): FfmpegBinaries | undefined {
  const { stdout, status } = spawnSync(ffmpegPath, ['-version'], { encoding: 'utf8', timeout: 10_000 });
  if (status !== 0 || !ffprobePath) return undefined;
  const version = /^ffmpeg version (\S+)/m.exec(stdout)?.[1];
  const libavformat = /^libavformat\s+(\d+)\.\s*(\d+)/m.exec(stdout);
  if (!version || !libavformat) return undefined;
  return { ffmpegPath, ffprobePath, version, packaged, libavformat: { major: Number(libavformat[1]), minor: Number(libavformat[2]) } };
}

/** The ffprobe that goes with an ffmpeg: named, its neighbour, on PATH, packaged. */
function probeFor(ffmpegPath: string, environment: Environment): string | undefined {
  const named = environment['LYNCEUS_FFPROBE'] ?? environment['FFPROBE_PATH'];
  if (named) return isExecutable(named) ? named : undefined;
  const neighbour = join(dirname(ffmpegPath), 'ffprobe');
  if (ffmpegPath.includes('/') && isExecutable(neighbour)) return neighbour;
  if (ffmpegPath !== packagedPath('ffmpeg')) {
    const system = onPath('ffprobe', environment);
    if (system) return system;
  }
  const packaged = packagedPath('ffprobe');
  return packaged && executableCopy(packaged, environment);
}

function onPath(name: string, environment: Environment): string | undefined {
  const folders = (environment['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function packagedPath(name: 'ffmpeg' | 'ffprobe'): string | undefined {
  try {
    const installer = createRequire(import.meta.url)(`@${name}-installer/${name}`) as { path: string };
    return existsSync(installer.path) ? installer.path : undefined;
  } catch {
    return undefined; // no build for this platform, or installed without optional dependencies
  }
}

/** npm runs no install scripts here, and without them the packaged ffprobe may be executable for its owner only. */
function executableCopy(path: string, environment: Environment): string | undefined {
  if (isExecutable(path)) return path;
  const cache = environment['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return [cache, tmpdir()].map((folder) => tryCopy(path, join(folder, 'lynceus', 'bin'))).find((copy) => copy !== undefined);
}

function tryCopy(path: string, folder: string): string | undefined {
  const copy = join(folder, 'ffprobe');
  try {
    if (existsSync(copy) && isExecutable(copy) && statSync(copy).size === statSync(path).size) return copy;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const partial = `${copy}.${process.pid}`;
    copyFileSync(path, partial);
    chmodSync(partial, 0o700);
    renameSync(partial, copy); // whoever starts at the same time sees a whole file or none
    return copy;
  } catch {
    return undefined;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function warnOfPackaged(version: string): void {
  process.emitWarning(
    `Decoding with the packaged ffmpeg (${version}, of 2018), since there is none on PATH. It lacks years of security fixes: install ffmpeg for anything but a try.`,
    { type: 'Warning', code: 'LYNCEUS_PACKAGED_FFMPEG' },
  );
}
