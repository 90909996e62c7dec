import Fastify from 'fastify';
import type { Logger } from 'pino';
import { AppError, systemErrorCode, toAppError } from '../core/errors.js';
import type { DeliveredFrame } from '../core/result.js';
import type { Sink } from '../core/sink.js';
import type { StreamView } from '../core/stream-view.js';
import { WEBSOCKET_PATH } from '../protocol/index.js';
import type { AccessRules } from './access.js';
import { refuseBrokenRequest, registerHttpRoutes, type Readiness } from './http-routes.js';
import { DEFAULT_LIMITS, type ServerLimits } from './limits.js';
import { type BreachCounter, ServerMetrics } from './metrics.js';
import { Preview } from './preview.js';
import { loadStaticFiles } from './static-files.js';
import { WsHub } from './ws-hub.js';

export interface ServerOptions {
  /** Address to listen on, 127.0.0.1 where absent. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Bearer token for all but health checks and the viewer's files; none where absent. */
  readonly token?: string;
  /** Origins whose pages may connect besides the server's own; `*` is any. */
  readonly allowedOrigins?: readonly string[];
  readonly limits?: Partial<ServerLimits>;
  /** Preview pictures a second and stream at most, 12 where absent. */
  readonly previewFps?: number;
  readonly logger: Logger;
  readonly version: string;
  /** The running streams; may change. */
  streams(): readonly StreamView[];
  ready(): Readiness;
  /** A Chrome trace of the last milliseconds, of one stream or of all, as JSON text in pieces. */
  trace(lastMs: number, stream?: string): AsyncIterable<string>;
  /** Late frames by stream and cause, where somebody watches for them. */
  breaches?(): readonly BreachCounter[];
}

export interface LynceusServer {
  /** `http://127.0.0.1:8080`: the viewer. */
  readonly url: string;
  readonly wsUrl: string;
  /** For all streams. Its `close` does nothing: several streams share it, and it ends with the server. */
  readonly sink: Sink;
  /** Lets clients take what waits for them, tells them with 1001, and frees the port. */
  close(): Promise<void>;
}

/**
 * Starts HTTP, WebSocket and metrics.
 *
 * @throws AppError `ERR_PORT_IN_USE` where the port is taken, `ERR_USAGE` where the address or port can't be used.
 */
export async function startServer(options: ServerOptions): Promise<LynceusServer> {
  const { logger, version } = options;
  const host = options.host ?? '127.0.0.1';
  const access: AccessRules = { token: options.token, allowedOrigins: options.allowedOrigins ?? [], host };
  const streams = (): readonly StreamView[] => options.streams();
  const hub = new WsHub({ access, limits: { ...DEFAULT_LIMITS, ...options.limits }, version, logger, streams });
  const preview = new Preview({
    fps: options.previewFps ?? 12,
    logger,
    isWanted: (stream) => hub.wantsPreview(stream),
    send: (stream, message) => hub.preview(stream, message),
  });
  const metrics = new ServerMetrics({ version, streams, previews: () => preview.encoded, breaches: () => options.breaches?.() ?? [], ws: hub });
  const app = Fastify({ forceCloseConnections: true, bodyLimit: 1024, requestTimeout: 10_000, connectionTimeout: 60_000, frameworkErrors: refuseBrokenRequest });
  registerHttpRoutes(app, {
    access,
    version,
    files: await loadStaticFiles(),
    streams,
    ready: () => options.ready(),
    metrics: async () => ({ text: await metrics.text(), contentType: metrics.contentType }),
    trace: (lastMs, stream) => options.trace(lastMs, stream),
    clientCount: () => hub.clientCount,
    onError: (error) => logger.error({ err: error }, 'a request failed'),
  });
  app.server.on('upgrade', (request, socket, head) => hub.upgrade(request, socket, head));

  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await preview.settled();
    await hub.close();
    await app.close();
  };
  try {
    await app.listen({ host, port: options.port });
  } catch (thrown) {
    await close();
    throw listenError(thrown, host, options.port);
  }
  const url = urlOf(host, app.server.address());
  return {
    url,
    wsUrl: url.replace('http', 'ws') + WEBSOCKET_PATH,
    sink: {
      kind: 'ws',
      deliver(frame: DeliveredFrame) {
        metrics.observe(frame);
        hub.deliver(frame);
        preview.offer(frame.stream, frame.result.frame);
      },
      event: (stream, event) => hub.event(stream, event),
      moved: (stream, move) => hub.moved(stream, move),
      close: () => undefined,
    },
    close: () => (closed ??= close()),
  };
}

function listenError(thrown: unknown, host: string, port: number): AppError {
  const code = systemErrorCode(thrown);
  if (code === 'EADDRINUSE') {
    return new AppError('ERR_PORT_IN_USE', `Port ${port} on ${host} is taken by another program.`, { fix: 'Choose another one with --port, or --port 0 for any that is free.', cause: thrown });
  }
  if (code === 'EACCES') {
    return new AppError('ERR_USAGE', `Port ${port} needs more rights than this process has.`, { fix: 'Choose a port above 1023 with --port.', cause: thrown });
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new AppError('ERR_USAGE', `${host} is no address of this machine.`, { fix: 'Use 127.0.0.1 for this machine alone, or 0.0.0.0 for every network it is on.', cause: thrown });
  }
  return toAppError(thrown);
}

/** An address that a browser on this machine can open. */
function urlOf(host: string, address: unknown): string {
  const port = (address as { port: number }).port;
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
