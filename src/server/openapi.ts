/** One route for the document: what it answers, and as what. */
interface RouteDoc {
  readonly summary: string;
  readonly contentType?: string;
  /** Other statuses than 200 and 401. */
  readonly also?: Readonly<Record<string, string>>;
  readonly parameters?: readonly object[];
  readonly open?: true;
}

const pathParameter = (name: string) => ({ name, in: 'path', required: true, schema: { type: 'string' } });

/** Kept by hand and small; a test compares it with the routes that the server has. */
const ROUTES: Readonly<Record<string, RouteDoc>> = {
  '/': { summary: 'The viewer', contentType: 'text/html', open: true },
  '/healthz': { summary: 'The process is alive', open: true },
  '/readyz': { summary: 'Models are loaded and the sources are up', also: { 503: 'Not yet; `reasons` says why' }, open: true },
  '/readiness': { summary: 'The same as /readyz', also: { 503: 'Not yet; `reasons` says why' }, open: true },
  '/metrics': { summary: 'Prometheus metrics', contentType: 'text/plain' },
  '/api/v1/streams': { summary: 'All streams with their newest state' },
  '/api/v1/streams/{name}': { summary: 'One stream with statistics and graph', also: { 404: 'No stream has this name' }, parameters: [pathParameter('name')] },
  '/api/v1/stats': { summary: 'Statistics of all streams' },
  '/api/v1/trace': {
    summary: 'The newest frames as a Chrome trace, for Perfetto',
    also: { 400: 'A broken duration', 404: 'No stream has this name' },
    parameters: [
      { name: 'last', in: 'query', schema: { type: 'string', default: '10s' }, description: 'How far back: 10s, 500ms, 2m' },
      { name: 'stream', in: 'query', schema: { type: 'string' }, description: 'Only this one' },
    ],
  },
  '/api/v1/graph': {
    summary: 'The graphs that run',
    also: { 400: 'An unknown format' },
    parameters: [{ name: 'format', in: 'query', schema: { type: 'string', enum: ['json', 'dot', 'mermaid'], default: 'json' } }],
  },
  '/schemas/v1/': { summary: 'Names of the JSON Schemas of the WebSocket messages' },
  '/schemas/v1/{file}': { summary: 'One JSON Schema', contentType: 'application/schema+json', also: { 404: 'No message has this name' }, parameters: [pathParameter('file')] },
  '/asyncapi.json': { summary: 'The WebSocket as AsyncAPI 3' },
  '/openapi.json': { summary: 'This document' },
};

const PROBLEM = { type: 'object', required: ['type', 'title', 'status', 'detail', 'code'], properties: { type: { type: 'string' }, title: { type: 'string' }, status: { type: 'integer' }, detail: { type: 'string' }, code: { type: 'string', description: 'Stable, see docs/errors.md' }, fix: { type: 'string' } } };

/** The HTTP side as OpenAPI 3.1. */
export function openApiDocument(version: string): object {
  return {
    openapi: '3.1.0',
    info: { title: 'lynceus', version, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, {}],
    paths: Object.fromEntries(Object.entries(ROUTES).map(([path, doc]) => [path, { get: toOperation(doc) }])),
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'Where the server was started with a token' } },
      schemas: { Problem: PROBLEM },
    },
  };
}

function toOperation({ summary, contentType = 'application/json', also = {}, parameters, open }: RouteDoc): object {
  const problem = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  const failures = open ? also : { 401: 'The token is missing or wrong', ...also };
  return {
    summary,
    ...(parameters && { parameters }),
    ...(open && { security: [] }),
    responses: {
      200: { description: summary, content: { [contentType]: {} } },
      ...Object.fromEntries(Object.entries(failures).map(([status, description]) => [status, status === '503' ? { description } : { description, content: problem }])),
    },
  };
}
