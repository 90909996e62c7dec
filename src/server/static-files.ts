import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { workerUrl } from '../core/worker-url.js';

export interface StaticFile {
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly etag: string;
  /** Compressed when it is asked for first, and kept; undefined where it is too small to gain. */
  readonly gzipped?: () => Promise<Buffer>;
}

const LEAST_GZIP_BYTES = 64 * 1024;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Folders of the build that browsers may read, and where they are mounted. Also from the sources it is the build that is served. */
const MOUNTS: readonly { readonly mount: string; readonly directory: string; readonly only?: ReadonlySet<string> }[] = [
  { mount: '/', directory: 'viewer/' },
  { mount: '/client/', directory: '../client/' },
  // What the client needs of the protocol besides types.
  { mount: '/protocol/', directory: '../protocol/', only: new Set(['octree-cells.js']) },
];

/** The viewer and the client library, by path. Few and small: they are held in memory, and no request ever becomes a file name. */
export async function loadStaticFiles(): Promise<ReadonlyMap<string, StaticFile>> {
  const built = workerUrl(import.meta.url, './static-files.js');
  const files = new Map<string, StaticFile>();
  for (const { mount, directory, only } of MOUNTS) {
    const folder = new URL(directory, built);
    for (const name of await readdir(folder).catch(() => [])) {
      const contentType = CONTENT_TYPES[extname(name)];
      if (contentType === undefined || (only && !only.has(name))) continue;
      const bytes = await readFile(new URL(name, folder));
      const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
      files.set(mount + name, { bytes, contentType, etag, ...(bytes.length >= LEAST_GZIP_BYTES && { gzipped: once(() => promisify(gzip)(bytes)) }) });
    }
  }
  const index = files.get('/index.html');
  if (index) files.set('/', index);
  return files;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
