import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { epochMs } from '../core/clock.js';
import { durationMs } from '../core/duration.js';
import { AppError, toAppError } from '../core/errors.js';
import type { StreamView } from '../core/stream-view.js';
import { asyncApiDocument, schemas } from '../protocol/schemas.js';
import { toEventMessage, toStatsMessage, toStreamInfo } from '../protocol/index.js';
import { checkAuthorization, isHostAllowed, type AccessRules } from './access.js';
import { toDot, toMermaid } from './graph-text.js';
import { openApiDocument } from './openapi.js';
import { PROBLEM_CONTENT_TYPE, problemOf } from './problem.js';
import type { StaticFile } from './static-files.js';

export interface Readiness {
  readonly ready: boolean;
  /** What is missing, for people. */
  readonly reasons: readonly string[];
}

export interface HttpRouteOptions {
  readonly access: AccessRules;
  readonly version: string;
  readonly files: ReadonlyMap<string, StaticFile>;
  readonly streams: () => readonly StreamView[];
  readonly ready: () => Readiness;
  readonly metrics: () => Promise<{ text: string; contentType: string }>;
  /** A Chrome trace of the last milliseconds, of one stream or of all, as JSON text in pieces. */
  readonly trace: (lastMs: number, stream?: string) => AsyncIterable<string>;
  readonly clientCount: () => number;
  readonly onError: (error: AppError) => void;
}

/** Paths without a token: health checks have none, and the viewer must be there to ask for one. Neither tells anything of a stream. */
const OPEN_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/readiness']);

const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

/** For requests that fastify refuses before any route or hook sees them, such as a URL with broken escapes. */
export function refuseBrokenRequest(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  void reply.headers(SECURITY_HEADERS);
  sendProblem(reply, fromFastify(error, request), { onError: () => undefined });
}

export function registerHttpRoutes(app: FastifyInstance, options: HttpRouteOptions): void {
  app.addHook('onRequest', (request, reply, done) => {
    void reply.headers(SECURITY_HEADERS);
    done(denial(request, options));
  });
  app.setErrorHandler((thrown, request, reply) => sendProblem(reply, fromFastify(thrown, request), options));
  app.setNotFoundHandler((request, reply) => sendProblem(reply, new AppError('ERR_NOT_FOUND', `There is nothing at ${request.method} ${pathOf(request)}.`, { fix: '/openapi.json lists what there is.' }), options));
  registerHealth(app, options);
  registerApi(app, options);
  registerDocuments(app, options);
  for (const [path, file] of options.files) app.get(path, (request, reply) => sendFile(request, reply, file));
}

function registerHealth(app: FastifyInstance, { ready, version, metrics }: HttpRouteOptions): void {
  app.get('/healthz', (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok', version }));
  const readiness = (_request: FastifyRequest, reply: FastifyReply) => {
    const answer = ready();
    return reply.status(answer.ready ? 200 : 503).header('cache-control', 'no-store').send({ ready: answer.ready, reasons: answer.reasons });
  };
  app.get('/readyz', readiness);
  app.get('/readiness', readiness);
  app.get('/metrics', async (_request, reply) => {
    const { text, contentType } = await metrics();
    return reply.header('content-type', contentType).header('cache-control', 'no-store').send(text);
  });
}

/** What `/api/v1/trace` gives where nothing is asked for, and at most. */
const TRACE_LAST = { usual: '10s', mostMs: 600_000 } as const;

function registerApi(app: FastifyInstance, { streams, clientCount, trace }: HttpRouteOptions): void {
  app.get('/api/v1/streams', () => ({ streams: streams().map(streamDetail) }));
  app.get<{ Params: { name: string } }>('/api/v1/streams/:name', ({ params }) => {
    const view = streamNamed(params.name, streams());
    return { ...streamDetail(view), stats: toStatsMessage(view, epochMs()), graph: view.describe() };
  });
  app.get('/api/v1/stats', () => ({ clients: clientCount(), streams: streams().map((view) => toStatsMessage(view, epochMs())) }));
  app.get<{ Querystring: { last?: string; stream?: string } }>('/api/v1/trace', ({ query: { last = TRACE_LAST.usual, stream } }, reply) => {
    const lastMs = durationMs(last);
    if (lastMs === undefined || lastMs > TRACE_LAST.mostMs) throw new AppError('ERR_USAGE', `Expected a duration of 10m at most for last, such as 10s or 500ms, found ${JSON.stringify(last)}.`);
    if (stream !== undefined) streamNamed(stream, streams());
    return reply.header('content-type', 'application/json').header('content-disposition', 'attachment; filename="lynceus.trace.json"').header('cache-control', 'no-store').send(Readable.from(trace(lastMs, stream)));
  });
  app.get<{ Querystring: { format?: string } }>('/api/v1/graph', ({ query }, reply) => {
    const graphs = streams().map((view) => view.describe());
    switch (query.format ?? 'json') {
      case 'json':
        return reply.send({ graphs });
      case 'dot':
        return reply.header('content-type', 'text/vnd.graphviz; charset=utf-8').send(toDot(graphs));
      case 'mermaid':
        return reply.header('content-type', 'text/plain; charset=utf-8').send(toMermaid(graphs));
      default:
        throw new AppError('ERR_USAGE', `Expected json, dot or mermaid for format, found ${JSON.stringify(query.format)}.`);
    }
  });
}

function registerDocuments(app: FastifyInstance, { version }: HttpRouteOptions): void {
  app.get('/schemas/v1/', () => ({ schemas: Object.keys(schemas()).map((name) => `/schemas/v1/${name}.json`) }));
  app.get<{ Params: { file: string } }>('/schemas/v1/:file', ({ params }, reply) => {
    const name = params.file.replace(/\.json$/, '');
    const schema = Object.hasOwn(schemas(), name) ? schemas()[name] : undefined;
    if (schema === undefined) throw new AppError('ERR_NOT_FOUND', `There is no schema ${JSON.stringify(params.file)}.`, { fix: '/schemas/v1/ lists them.' });
    return reply.header('content-type', 'application/schema+json').send(JSON.stringify(schema));
  });
  app.get('/asyncapi.json', () => asyncApiDocument(version));
  app.get('/openapi.json', () => openApiDocument(version));
}

function streamNamed(name: string, streams: readonly StreamView[]): StreamView {
  const view = streams.find((stream) => stream.name === name);
  if (view === undefined) throw new AppError('ERR_NOT_FOUND', `There is no stream ${JSON.stringify(name)}.`, { fix: '/api/v1/streams lists them.' });
  return view;
}

function streamDetail(view: StreamView) {
  const event = view.lastEvent();
  return { ...toStreamInfo(view), event: event ? toEventMessage(view.name, event) : null };
}

/** Why this request is refused, or undefined. */
function denial(request: FastifyRequest, { access, files }: HttpRouteOptions): AppError | undefined {
  if (!isHostAllowed(access, request.headers)) return new AppError('ERR_ORIGIN_FORBIDDEN', 'The host in the address is not one of this server.', { fix: 'Use 127.0.0.1 or localhost, or list the origin.' });
  const path = pathOf(request);
  if (OPEN_PATHS.has(path) || files.has(path) || checkAuthorization(access, request.headers) === 'accepted') return undefined;
  return new AppError('ERR_AUTH_REQUIRED', 'This needs a token.', { fix: 'Send it as Authorization: Bearer TOKEN.' });
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0]!;
}

/** What fastify itself refuses (a broken URL, too long a body) is the request's fault and no error of ours. */
function fromFastify(thrown: unknown, request: FastifyRequest): AppError {
  const status = thrown instanceof Error && 'statusCode' in thrown ? Number(thrown.statusCode) : 500;
  if (!(thrown instanceof AppError) && status >= 400 && status < 500) return new AppError('ERR_USAGE', `${request.method} ${pathOf(request)} is not a request of this server.`, { cause: thrown });
  return toAppError(thrown);
}

function sendProblem(reply: FastifyReply, error: AppError, { onError }: Pick<HttpRouteOptions, 'onError'>): FastifyReply {
  const { status, body } = problemOf(error);
  if (status === 500) onError(error);
  if (status === 401) void reply.header('www-authenticate', 'Bearer');
  return reply.status(status).header('content-type', PROBLEM_CONTENT_TYPE).header('cache-control', 'no-store').send(JSON.stringify(body));
}

async function sendFile(request: FastifyRequest, reply: FastifyReply, { bytes, contentType, etag, gzipped }: StaticFile): Promise<FastifyReply> {
  void reply.header('etag', etag).header('cache-control', 'no-cache');
  if (request.headers['if-none-match'] === etag) return reply.status(304).send();
  void reply.header('content-type', contentType);
  if (!gzipped) return reply.send(bytes);
  void reply.header('vary', 'accept-encoding');
  return /\bgzip\b/.test(request.headers['accept-encoding'] ?? '') ? reply.header('content-encoding', 'gzip').send(await gzipped()) : reply.send(bytes);
}
