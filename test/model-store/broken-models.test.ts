import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/core/errors.js';
import { draftLocal } from '../../src/model-store/draft-local.js';
import { DATA_TYPES, decodeModel, encodeModel, graphOf, makeNode, type GraphProto } from '../../src/onnx/model-proto.js';
import { rejectionOf } from '../fixtures/failure.js';
import { detector, namesMetadata, VARIANTS, type VariantShape } from './export-variants.js';

const SHAPE: VariantShape = { width: 64, height: 64, strides: [16, 32], classes: 3, seed: 3 };

function model(): Uint8Array {
  const made = detector(SHAPE);
  VARIANTS[0]!.outputs(made);
  return made.graph.build(namesMetadata(SHAPE.classes));
}

function edited(edit: (graph: GraphProto) => void): Uint8Array {
  const proto = decodeModel(model());
  edit(graphOf(proto));
  return encodeModel(proto);
}

const draft = (onnx: Uint8Array): Promise<unknown> => draftLocal({ kind: 'onnx', name: 'broken.onnx', onnx, labels: undefined }, {});

describe('broken graphs are refused with the node that is broken', () => {
  test.each<[string, Uint8Array, string, RegExp]>([
    ['a missing initializer', edited((graph) => (graph.initializer = graph.initializer!.filter(({ name }) => name !== 'cell'))), 'ERR_MODEL_CORRUPT', /add_\d+ \(Add\) reads cell/],
    ['a missing node', edited((graph) => (graph.node = graph.node!.filter(({ opType }) => opType !== 'Exp'))), 'ERR_MODEL_CORRUPT', /\(Mul\) reads exp_/],
    ['a cycle', edited((graph) => { const tanh = graph.node!.find(({ opType }) => opType === 'Tanh')!; graph.node!.push(makeNode('Identity', 'back', ['output0'], ['again'])); tanh.input = ['again']; }), 'ERR_MODEL_CORRUPT', /cycle through/],
    ['a tensor that two nodes make', edited((graph) => void graph.node!.push(makeNode('Identity', 'second', ['images'], ['output0']))), 'ERR_MODEL_CORRUPT', /second \(Identity\) makes output0/],
    ['an output that nobody makes', edited((graph) => (graph.output![0]!.name = 'nothing')), 'ERR_MODEL_CORRUPT', /output nothing/],
    ['an operator that is none', edited((graph) => (graph.node!.find(({ opType }) => opType === 'Tanh')!.opType = 'Tanhh')), 'ERR_MODEL_UNSUPPORTED_OP', /Tanhh/],
    ['a constant of the wrong type', edited((graph) => { const cell = graph.initializer!.find(({ name }) => name === 'cell')!; cell.dataType = DATA_TYPES.int32; }), 'ERR_MODEL_CORRUPT', /add_/],
    ['weights of the wrong length', edited((graph) => { const weight = graph.initializer!.find(({ name }) => name === 'weight16')!; weight.rawData = weight.rawData!.slice(0, 100); }), 'ERR_MODEL_CORRUPT', /weight16/],
  ])('%s', async (_, onnx, code, message) => {
    const error = await rejectionOf(draft(onnx));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
  });
});

const bytes = model();

test('cut anywhere: a coded error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: bytes.length - 1 }), async (length) => {
      await expectCoded(bytes.slice(0, length));
    }),
    { numRuns: 60, seed: 20 },
  );
});

test('flipped bytes: a coded error, or a model that still runs', async () => {
  const flips = fc.array(fc.record({ at: fc.integer({ min: 0, max: bytes.length - 1 }), to: fc.integer({ min: 0, max: 255 }) }), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(flips, async (changes) => {
      const spoilt = bytes.slice();
      for (const { at, to } of changes) spoilt[at] = to;
      await expectCoded(spoilt);
    }),
    { numRuns: 60, seed: 20 },
  );
});

async function expectCoded(onnx: Uint8Array): Promise<void> {
  try {
    await draft(onnx);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect((error as AppError).code).toMatch(/^ERR_(MODEL|INFERENCE|USAGE)/);
  }
}
