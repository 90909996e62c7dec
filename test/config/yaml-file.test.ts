import fc from 'fast-check';
import { stringify } from 'yaml';
import { describe, expect, test } from 'vitest';
import { streamDefinitionSchema } from '../../src/config/stream-definition.js';
import { parseYaml } from '../../src/config/yaml-file.js';
import { AppError } from '../../src/core/errors.js';
import { thrownBy } from '../fixtures/failure.js';

const read = (text: string, env: Record<string, string> = {}) => parseYaml({ text, fileName: 'door.yaml', env }, streamDefinitionSchema);

const GOOD = `name: front-door
source:
  kind: rtsp
  url: rtsp://\${CAMERA_USER}:\${CAMERA_PASSWORD}@10.0.0.5/stream1
  transport: tcp
stages:
  - id: detect
    kind: detector.yolo
    overflow: latest
    options:
      model: yolo-fastest
`;
const ENV = { CAMERA_USER: 'me', CAMERA_PASSWORD: 'hunter2' };

/** The good file with one line replaced. */
function withLine(line: string, replacement: string): string {
  if (!GOOD.includes(line)) throw new Error(`no line ${line}`);
  return GOOD.replace(line, replacement);
}

describe('a good file', () => {
  test('is the definition, with the environment put in', () => {
    expect(read(GOOD, ENV)).toEqual({
      name: 'front-door',
      source: { kind: 'rtsp', url: 'rtsp://me:hunter2@10.0.0.5/stream1', transport: 'tcp' },
      stages: [{ id: 'detect', kind: 'detector.yolo', overflow: 'latest', options: { model: 'yolo-fastest' } }],
    });
  });

  test.each([
    ['JSON is YAML', JSON.stringify({ name: 'a', source: { kind: 'file', path: 'a.mp4' }, stages: [{ id: 'd', kind: 'k' }] })],
    ['anchors', 'name: &n a\nsource: {kind: file, path: *n}\nstages: [{id: *n, kind: k, overflow: {buffer: 3}}]'],
    ['a byte-order mark', '\uFEFFname: a\nsource: {kind: dataset, path: a, frameRateFps: 12.5}\nstages: [{id: d, kind: k}]'],
    ['a $schema for editors', '$schema: ./stream.schema.json\nname: a\nsource: {kind: http, url: "http://a/"}\nstages: [{id: d, kind: k}]'],
  ])('%s', (_, text) => {
    expect(read(text).name).toBe('a');
  });
});

describe('every fault has its code, its place and words that help', () => {
  test.each<[string, string, string, string]>([
    // syntax
    ['a bracket that is never closed', withLine('transport: tcp', 'transport: [tcp'), 'ERR_CONFIG_SYNTAX', 'door.yaml:6:1: Flow sequence in block collection must be sufficiently indented and end with a ]'],
    ['a key twice', withLine('transport: tcp', 'kind: rtsp'), 'ERR_CONFIG_SYNTAX', 'door.yaml:5:3: Map keys must be unique'],
    ['a tab', withLine('  transport: tcp', '\ttransport: tcp'), 'ERR_CONFIG_SYNTAX', 'door.yaml:5:1: Tabs are not allowed as indentation'],
    ['two documents', `${GOOD}---\nname: b\n`, 'ERR_CONFIG_SYNTAX', 'door.yaml:12:1: Source contains multiple documents; please use YAML.parseAllDocuments()'],
    ['an alias of nothing', withLine('transport: tcp', 'transport: *nothing'), 'ERR_CONFIG_SYNTAX', 'door.yaml:1:1: Unresolved alias (the anchor must be set before the alias): nothing'],
    ['a tag that nobody knows', withLine('transport: tcp', 'transport: !env TRANSPORT'), 'ERR_CONFIG_SYNTAX', 'door.yaml:5:14: Unresolved tag: !env'],
    // unknown keys
    ['an unknown key', withLine('name: front-door', 'name: front-door\ncolour: red'), 'ERR_CONFIG_UNKNOWN_KEY', "door.yaml:2:1: unknown key 'colour'"],
    ['a misspelt key at the top: not reported as missing as well', withLine('source:', 'soruce:'), 'ERR_CONFIG_UNKNOWN_KEY', "door.yaml:2:1: unknown key 'soruce', did you mean 'source'?"],
    ['a misspelt key of a kind of source', withLine('transport: tcp', 'trasnport: tcp'), 'ERR_CONFIG_UNKNOWN_KEY', "door.yaml:5:3: unknown key 'trasnport' in source, did you mean 'transport'?"],
    ['a key of another kind of source', withLine('transport: tcp', 'realtime: true'), 'ERR_CONFIG_UNKNOWN_KEY', "door.yaml:5:3: unknown key 'realtime' in source"],
    ['a misspelt key in a list', withLine('overflow: latest', 'overfow: latest'), 'ERR_CONFIG_UNKNOWN_KEY', "door.yaml:9:5: unknown key 'overfow' in stages[0], did you mean 'overflow'?"],
    ['capitals', withLine('overflow: latest', 'Overflow: latest'), 'ERR_CONFIG_UNKNOWN_KEY', "door.yaml:9:5: unknown key 'Overflow' in stages[0], did you mean 'overflow'?"],
    ['a key that is a number', withLine('transport: tcp', '5: tcp'), 'ERR_CONFIG_UNKNOWN_KEY', "door.yaml:5:3: unknown key '5' in source"],
    // wrong values
    ['a wrong type', withLine('name: front-door', 'name: 12'), 'ERR_CONFIG_INVALID', 'door.yaml:1:7: name: expected a text, received 12'],
    ['a wrong choice', withLine('transport: tcp', 'transport: tpc'), 'ERR_CONFIG_INVALID', "door.yaml:5:14: source.transport: expected tcp or udp, received 'tpc', did you mean 'tcp'?"],
    ['an unknown kind of source', withLine('kind: rtsp', 'kind: rstp'), 'ERR_CONFIG_INVALID', "door.yaml:3:9: source.kind: expected file, rtsp, http, dataset or stereo, received 'rstp', did you mean 'rtsp'?"],
    ['no kind of source', withLine('kind: rtsp\n  ', ''), 'ERR_CONFIG_INVALID', 'door.yaml:3:3: source.kind is missing, expected file, rtsp, http, dataset or stereo'],
    ['an unknown policy', withLine('overflow: latest', 'overflow: newest'), 'ERR_CONFIG_INVALID', "door.yaml:9:15: stages[0].overflow: expected latest, drop, block or { buffer: 1 to 256 }, received 'newest'"],
    ['a misspelt policy of several words', withLine('overflow: latest', 'overflow: {bufer: 3}'), 'ERR_CONFIG_INVALID', 'door.yaml:9:15: stages[0].overflow: expected latest, drop, block or { buffer: 1 to 256 }, received a mapping'],
    ['a number out of its range', withLine('overflow: latest', 'overflow: {buffer: 0}'), 'ERR_CONFIG_INVALID', 'door.yaml:9:24: stages[0].overflow.buffer: expected number to be >0, received 0'],
    ['half a millisecond', withLine('transport: tcp', 'stallTimeoutMs: 0.5'), 'ERR_CONFIG_INVALID', 'door.yaml:5:19: source.stallTimeoutMs: expected a whole number, received 0.5'],
    ['a yes that is a text in YAML 1.2', 'name: a\nsource: {kind: file, path: a, loop: yes}\nstages: [{id: d, kind: k}]', 'ERR_CONFIG_INVALID', "door.yaml:2:37: source.loop: expected true or false, received 'yes'"],
    ['a list where a mapping belongs', 'name: a\nsource: [file]\nstages: [{id: d, kind: k}]', 'ERR_CONFIG_INVALID', 'door.yaml:2:9: source: expected a mapping, received a list'],
    ['a name with a space', withLine('front-door', 'front door'), 'ERR_CONFIG_INVALID', "door.yaml:1:7: name: expected 1 to 64 letters, digits, dots, dashes or underscores, received 'front door'"],
    ['no stages', withLine('stages:\n  - id: detect\n    kind: detector.yolo\n    overflow: latest\n    options:\n      model: yolo-fastest', 'stages: []'), 'ERR_CONFIG_INVALID', 'door.yaml:6:9: stages: expected array to have >=1 items, received a list'],
    ['an id of the ledger', withLine('id: detect', 'id: source'), 'ERR_CONFIG_INVALID', "door.yaml:7:9: stages[0].id: expected another id than source and deliver, which every stream has, received 'source'"],
    ['an id twice', `${GOOD}  - {id: detect, kind: k}\n`, 'ERR_CONFIG_INVALID', "door.yaml:12:10: stages[1].id: expected an id that no other stage has, received 'detect'"],
    ['an empty file', '', 'ERR_CONFIG_INVALID', 'door.yaml:1:1: the file: expected a mapping, received null'],
    ['a text', 'hello', 'ERR_CONFIG_INVALID', "door.yaml:1:1: the file: expected a mapping, received 'hello'"],
    // the environment
    ['a variable that is not set', withLine('transport: tcp', 'transport: ${TRANSPORT}'), 'ERR_CONFIG_ENV_MISSING', 'door.yaml:5:14: the environment has no TRANSPORT'],
    // resources
    ['an anchor that contains itself', 'name: a\nsource: &s {kind: file, path: *s}\nstages: []', 'ERR_CONFIG_INVALID', 'nested deeper than 64 levels'],
    [
      'an alias bomb',
      ['a: &a [x, x, x, x, x, x, x, x, x]', ...'bcdefgh'.split('').map((key, i) => `${key}: &${key} [${`*${'abcdefg'[i]!}, `.repeat(9)}]`)].join('\n'),
      'ERR_CONFIG_SYNTAX',
      'Excessive alias count',
    ],
  ])('%s', (_, text, code, message) => {
    const error = thrownBy(() => read(text, ENV));
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(message)]);
    expect(error.fix).toBeTruthy();
  });

  test('all faults of a file are told at once, each on a line that an editor can jump to', () => {
    const error = thrownBy(() => read('name: 1\nsource: {kind: file, pth: a}\nstages: [{id: d, kind: k, overflow: no, extra: 1}]'));
    expect(error.code).toBe('ERR_CONFIG_UNKNOWN_KEY');
    expect(error.message.split('\n')).toEqual([
      "door.yaml:2:22: unknown key 'pth' in source, did you mean 'path'?",
      "door.yaml:3:41: unknown key 'extra' in stages[0]",
      'door.yaml:1:7: name: expected a text, received 1',
      "door.yaml:3:37: stages[0].overflow: expected latest, drop, block or { buffer: 1 to 256 }, received 'no'",
    ]);
    expect(error.fix).toBe('Allowed in source: kind, path, realtime, loop.');
  });

  test('a file of nothing but faults is told short', () => {
    const stages = Array.from({ length: 15 }, (_, i) => `  - {id: d${i}, kind: 5}`).join('\n');
    const lines = thrownBy(() => read(`name: a\nsource: {kind: file, path: a}\nstages:\n${stages}`)).message.split('\n');
    expect([lines.length, lines.at(-1)]).toEqual([11, 'and 5 more']);
  });
});

describe('secrets', () => {
  test('from the environment are not in messages', () => {
    const { message } = thrownBy(() => read(withLine('transport: tcp', 'transport: ${CAMERA_PASSWORD}'), ENV));
    expect(message).not.toContain('hunter2');
    expect(message).toContain('${CAMERA_PASSWORD}');
  });

  test('that stand in the file are not in messages', () => {
    const { message } = thrownBy(() => read(withLine('transport: tcp', 'transport: rtsp://me:hunter2@10.0.0.5/'), ENV));
    expect(message).toContain('//***@10.0.0.5');
  });

  test('may be any text: no part of them is looked at again', () => {
    const { source } = read(withLine('transport: tcp', 'transport: udp'), { CAMERA_USER: '${CAMERA_PASSWORD}', CAMERA_PASSWORD: "$& ' : {" });
    expect(source).toMatchObject({ url: "rtsp://${CAMERA_PASSWORD}:$& ' : {@10.0.0.5/stream1" });
  });
});

describe('of any text comes a valid definition or an error of the configuration', () => {
  const CODES = ['ERR_CONFIG_SYNTAX', 'ERR_CONFIG_INVALID', 'ERR_CONFIG_UNKNOWN_KEY', 'ERR_CONFIG_ENV_MISSING'];

  function check(text: string): void {
    try {
      const definition = read(text);
      expect(streamDefinitionSchema.safeParse(definition).success).toBe(true);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      expect(CODES).toContain(error.code);
      expect(error.message).toMatch(/^door\.yaml:\d+:\d+: ./);
    }
  }

  test('nonsense', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), check), { numRuns: 300 });
  });

  test('the marks of YAML in any order', () => {
    const marks = fc.constantFrom(...':-?,[]{}#&*!|>\'"%@`\n\t '.split(''), '\n  ', ': ', '- ', '&a ', '*a', '<<: ', '!!set ', '!!binary ', '---\n', '...\n', '%YAML 1.1\n---\n', 'name', 'source', '${A}', '.nan', '0x1', '~');
    fc.assert(fc.property(fc.array(marks, { maxLength: 30 }).map((parts) => parts.join('')), check), { numRuns: 500 });
  });

  test('the good file with a hole or a foreign piece in it', () => {
    const at = fc.nat({ max: GOOD.length });
    fc.assert(
      fc.property(at, fc.nat({ max: 20 }), fc.string({ maxLength: 5 }), (from, length, piece) => check(GOOD.slice(0, from) + piece + GOOD.slice(from + length))),
      { numRuns: 300 },
    );
  });

  test('any value where the schema has its own', () => {
    const keys = fc.constantFrom('name', 'source', 'stages', 'kind', 'path', 'url', 'id', 'overflow', 'buffer', 'options', '__proto__', 'constructor');
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, fc.constantFrom<unknown>('a', 'file', 'rtsp', 1, 0, -1, 2.5, true, null), fc.array(tie('value'), { maxLength: 3 }), fc.dictionary(keys, tie('value'), { maxKeys: 5 })),
    }));
    fc.assert(fc.property(value, (tree) => check(stringify(tree))), { numRuns: 300 });
  });

  test.each([100, 5_000])('%i brackets', (depth) => {
    check('['.repeat(depth));
    check(`name: ${'['.repeat(depth)}${']'.repeat(depth)}`);
  });
});
