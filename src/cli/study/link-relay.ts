import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect, createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import type { SourceDefinition } from '../../config/stream-definition.js';
import { SeededRandom } from '../../core/seeded-random.js';
import { AppError } from '../../core/errors.js';
import { type FfmpegChild, runFfprobe, startFfmpeg } from '../../sources/ffmpeg.js';

/** Codecs that a transport stream can carry, which is read as it comes; of a Matroska stream the reader keeps seconds in stock. */
const TRANSPORT_STREAM_CODECS = new Set(['h264', 'hevc', 'mpeg4', 'mpeg2video', 'mpeg1video']);

/** What a network carries at once. */
const PACKET_BYTES = 1400;
/** The least time after which Linux sends a lost packet again where nothing else tells it: what is behind it in the stream waits. */
const RETRANSMISSION_MS = 200;

/** A link that loses packets of a TCP stream: each loss holds up what comes behind it until it has been sent again. */
class LossyLink {
  readonly #random: SeededRandom;
  readonly #lossShare: number;

  constructor(lossShare: number, seed: number) {
    this.#random = new SeededRandom(seed, 6);
    this.#lossShare = lossShare;
  }

  /** How long a chunk is held up. */
  delayMs(bytes: number): number {
    let lost = 0;
    for (let packet = 0; packet < Math.ceil(bytes / PACKET_BYTES); packet += 1) if (this.#random.chance(this.#lossShare)) lost += 1;
    return lost * RETRANSMISSION_MS;
  }

  /** Carries all that `from` gives to `write`. */
  async carry(from: AsyncIterable<Buffer>, write: (chunk: Buffer) => Promise<void> | void): Promise<void> {
    for await (const chunk of from) {
      const delayMs = this.delayMs(chunk.length);
      if (delayMs > 0) await wait(delayMs);
      await write(chunk);
    }
  }
}

export interface LinkRelay {
  /** The source as it is seen through the link. */
  readonly source: SourceDefinition;
  close(): Promise<void>;
}

/**
 * Puts a link in front of a source: a proxy in front of an address, and a stream over HTTP (at the pace of its own time) in front of a
 * file.
 *
 * @param lossShare of packets, 0 for a link without fault. @throws AppError `ERR_USAGE` for sources that no stream of bytes leads to
 */
export async function startLinkRelay(source: SourceDefinition, lossShare: number, seed: number): Promise<LinkRelay> {
  switch (source.kind) {
    case 'file':
      return relayFile(source.path, lossShare, seed);
    case 'http':
    case 'rtsp':
      return relayAddress(source, lossShare, seed);
    case 'dataset':
      throw new AppError('ERR_USAGE', 'There is no link in front of a folder of pictures', { fix: 'Study a video file, or an address.' });
    case 'stereo':
      throw new AppError('ERR_USAGE', 'There is no one link in front of two cameras', { fix: 'Study a video file, or an address.' });
  }
}

/** ffmpeg posts the file, copied, to a server of ours, which passes it on to whoever asks. */
async function relayFile(path: string, lossShare: number, seed: number): Promise<LinkRelay> {
  const muxer = await muxerFor(path);
  const feeds = new Map<string, ServerResponse>();
  const children: FfmpegChild[] = [];
  let count = 0;
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (request.method === 'GET') {
      count += 1;
      const name = `/feed/${count}`;
      feeds.set(name, response);
      response.writeHead(200, { 'content-type': muxer.contentType });
      // At the pace of the file's own time (-re) and a frame at a time, as a camera would send it.
      const outputs = [{ options: ['-map', '0:v:0', '-c', 'copy', ...muxer.options, '-flush_packets', '1'], target: `http://127.0.0.1:${portOf(server)}${name}` }];
      const child = startFfmpeg({ inputOptions: ['-hide_banner', '-nostdin', '-loglevel', 'error', '-re', '-stream_loop', '-1'], input: `file:${path}`, outputs, onLine: () => undefined });
      children.push(child);
      response.on('close', () => child.stop());
      void child.exited.then(() => response.end());
      return;
    }
    const to = feeds.get(request.url ?? '');
    const link = new LossyLink(lossShare, seed);
    void link
      .carry(request, async (chunk) => {
        if (to && !to.write(chunk)) await once(to, 'drain');
      })
      .catch(() => undefined)
      .finally(() => response.end());
  });
  await listen(server);
  return {
    source: { kind: 'http', url: `http://127.0.0.1:${portOf(server)}/stream` },
    close: async () => {
      for (const child of children) child.stop();
      await Promise.all(children.map(({ exited }) => exited));
      server.closeAllConnections();
      server.close();
    },
  };
}

async function muxerFor(path: string): Promise<{ readonly options: readonly string[]; readonly contentType: string }> {
  const { streams } = await runFfprobe(`file:${path}`, ['-select_streams', 'v:0']);
  if (TRANSPORT_STREAM_CODECS.has(streams[0]?.codec_name ?? '')) return { options: ['-f', 'mpegts', '-muxdelay', '0'], contentType: 'video/mp2t' };
  return { options: ['-f', 'matroska', '-live', '1', '-cluster_time_limit', '0'], contentType: 'video/x-matroska' };
}

async function relayAddress(source: Extract<SourceDefinition, { kind: 'http' | 'rtsp' }>, lossShare: number, seed: number): Promise<LinkRelay> {
  const url = new URL(source.url);
  if (source.kind === 'rtsp' && source.transport === 'udp') throw new AppError('ERR_USAGE', 'A link with losses is put in front of TCP alone', { fix: 'Leave out --transport udp.' });
  if (url.protocol === 'https:' || url.protocol === 'rtsps:') throw new AppError('ERR_USAGE', `No link can be put in front of ${url.protocol} addresses: the certificate is another's`, { fix: 'Use the address without encryption, or a file.' });
  const port = Number(url.port) || (source.kind === 'rtsp' ? 554 : 80);
  const sockets = new Set<Socket>();
  const server = createTcpServer((client) => {
    const camera = connect(port, url.hostname);
    for (const socket of [client, camera]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
    }
    client.pipe(camera);
    const link = new LossyLink(lossShare, seed);
    void link
      .carry(camera, async (chunk) => {
        if (!client.write(chunk)) await once(client, 'drain');
      })
      .catch(() => undefined)
      .finally(() => client.end());
  });
  await listen(server);
  const seen = new URL(source.url);
  seen.hostname = '127.0.0.1';
  seen.port = String(portOf(server));
  return {
    source: { ...source, url: seen.href },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function listen(server: Server | TcpServer): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

function portOf(server: Server | TcpServer): number {
  return (server.address() as AddressInfo).port;
}
