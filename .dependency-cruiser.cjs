// One-way architecture: a room imports only from layers before its own, never sideways and never forward. ARCHITECTURE.md draws it.
const LAYERS = [
  ['core'],
  ['timing', 'config', 'protocol', 'onnx'],
  ['inference'],
  ['detector'],
  // What is done with a detector's boxes: patches found by covering them, objects followed over frames. Beside it: space that is occupied, from stereo.
  ['guard', 'tracking', 'occupancy'],
  // Work that need not be done: boxes that are known are kept or moved.
  ['redundancy'],
  // Moves along a ladder of operating points.
  ['governor'],
  ['sources', 'graph'],
  ['server', 'sinks', 'evaluation', 'model-store', 'client', 'report'],
  // Offline work: what makes models cheaper, what picks one, what attacks them, what studies a pipeline's times, what renders stereo scenes with exact truth.
  ['compression', 'picker', 'attack', 'study', 'stereo-scenes'],
  ['cli'],
];
const dir = (names) => `^src/(${names.join('|')})/`;
const only = (name, packages, rooms, extra = {}) => ({
  name,
  severity: 'error',
  from: { path: '^src/', pathNot: dir(rooms) },
  to: { path: packages, ...extra },
});
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    ...LAYERS.slice(0, -1).map((names, i) => ({
      name: `no-upward-from-${names.join('-')}`,
      severity: 'error',
      from: { path: dir(names) },
      to: { path: dir(LAYERS.slice(i + 1).flat()) },
    })),
    ...LAYERS.filter((names) => names.length > 1).flatMap((names) =>
      names.map((name) => ({
        name: `no-sideways-from-${name}`,
        severity: 'error',
        from: { path: dir([name]) },
        to: { path: dir(names.filter((other) => other !== name)) },
      })),
    ),
    // The graph surgery is offline: nothing that runs with a stream may import it.
    { name: 'onnx-surgery-is-offline', severity: 'error', from: { path: '^src/', pathNot: dir(['onnx', 'model-store', 'compression', 'picker', 'cli']) }, to: { path: '^src/onnx/' } },
    // The client runs in browsers: it knows the protocol's types and nothing else.
    { name: 'client-knows-the-protocol-only', severity: 'error', from: { path: '^src/client/' }, to: { path: '^src/(?!client/|protocol/|core/errors)' } },
    only('rxjs-only-at-the-edges', 'node_modules/rxjs', ['sources', 'graph', 'cli'], { dependencyTypesNot: ['type-only'] }),
    only('onnxruntime-only-in-inference', 'node_modules/onnxruntime-', ['inference']),
    only('ffmpeg-only-in-sources', 'node_modules/(@types/)?fluent-ffmpeg', ['sources']),
    only('ws-only-in-server-and-client', 'node_modules/(@types/)?ws/', ['server', 'client']),
    only('plots-only-in-report', 'node_modules/(@observablehq|happy-dom)/', ['report']),
    only('child-process-only-in-sources', '^(node:)?child_process$', ['sources', 'cli']),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
};
