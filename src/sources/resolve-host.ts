import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { AppError } from '../core/errors.js';
import type { FfmpegBinaries } from './find-ffmpeg.js';

/**
 * The packaged ffmpeg is linked statically and crashes in glibc's resolver at any host name: the name is replaced by its address.
 * Other ffmpegs get the URL as it is.
 *
 * @throws AppError ERR_SOURCE_UNREACHABLE where the name has no address.
 */
export async function resolveHost(url: string, location: string, { packaged }: FfmpegBinaries): Promise<{ url: string; inputOptions: string[] }> {
  const authority = /^([a-z0-9+.-]+:\/\/(?:[^\s/?#]*@)?)([^\s/?#:[\]]+)(:\d+)?/i.exec(url);
  const host = authority?.[2];
  if (!packaged || !host || isIP(host)) return { url, inputOptions: [] };
  try {
    const { address } = await lookup(host, { family: 4 });
    const head = authority[1]!;
    const hostHeader = head.toLowerCase().startsWith('http') ? ['-headers', `Host: ${host}${authority[3] ?? ''}\r\n`] : [];
    return { url: head + address + url.slice(head.length + host.length), inputOptions: hostHeader };
  } catch (cause) {
    throw new AppError('ERR_SOURCE_UNREACHABLE', `${location}: the host name ${host} has no address.`, { cause, fix: 'Check the host name and the network.' });
  }
}
