import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/core/errors.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { decodeModel, encodeModel, float16Value, graphOf, makeTensor, opsetOf, renameTensor, tensorData, valueFacts, type DataType, type TensorData, type TensorProto } from '../../src/onnx/model-proto.js';
import { runModel } from './support.js';

function smallModel(): Uint8Array {
  const builder = new GraphBuilder('small');
  const x = builder.input('x', 'float32', [2, 2]);
  const sum = builder.node('Add', [x, builder.floats('c', [2], Float32Array.of(1, 2))]);
  builder.output(builder.node('Mul', [sum, builder.scalar(3)]), 'float32', [2, 2], 'y');
  return builder.build({ names: 'a' });
}

test('what the builder writes is what onnxruntime runs', async () => {
  const { y } = await runModel(smallModel(), Float32Array.of(1, 2, 3, 4), [2, 2]);
  expect(Array.from(y!.data)).toEqual([6, 12, 12, 18]);
});

test('decoding and encoding again changes nothing', () => {
  const bytes = smallModel();
  expect(encodeModel(decodeModel(bytes))).toEqual(bytes);
  const model = decodeModel(bytes);
  expect(opsetOf(model)).toBe(17);
  expect(valueFacts(graphOf(model).input![0]!)).toEqual({ name: 'x', dataType: 'float32', dims: [2, 2] });
});

test('an output that is read elsewhere, too, keeps its readers', async () => {
  const builder = new GraphBuilder('twice');
  const negative = builder.node('Neg', [builder.input('x', 'float32', [1])]);
  const doubled = builder.node('Add', [negative, negative]);
  builder.output(negative, 'float32', [1], 'a');
  builder.output(doubled, 'float32', [1], 'b');
  const { a, b } = await runModel(builder.build(), Float32Array.of(3), [1]);
  expect([a!.data[0], b!.data[0]]).toEqual([-3, -6]);
});

describe('bytes that are no model', () => {
  const isCoded = (error: unknown): boolean => error instanceof AppError && error.code === 'ERR_MODEL_CORRUPT';

  test.each<[string, Uint8Array]>([
    ['no bytes', new Uint8Array()],
    ['a web page', new TextEncoder().encode('<!doctype html><html></html>')],
    ['an empty message', Uint8Array.of(8, 7)],
  ])('%s', (_, bytes) => {
    expect(() => decodeModel(bytes)).toThrow(expect.objectContaining({ code: 'ERR_MODEL_CORRUPT' }) as Error);
  });

  test('cut off anywhere, a model is readable or coded, never anything else', () => {
    const bytes = smallModel();
    let refused = 0;
    for (let length = 0; length < bytes.length; length++) {
      try {
        decodeModel(bytes.subarray(0, length));
      } catch (error) {
        expect(isCoded(error)).toBe(true);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(bytes.length / 2);
  });

  test('arbitrary bytes are refused with the code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeModel(bytes);
        } catch (error) {
          return isCoded(error);
        }
        return true;
      }),
      { numRuns: 500 },
    );
  });
});

describe('elements of tensors', () => {
  test.each<[string, DataType, TensorData]>([
    ['float32', 'float32', Float32Array.of(1.5, -2)],
    ['float64', 'float64', Float64Array.of(1.5, -2)],
    ['int64', 'int64', BigInt64Array.of(-1n, 2n ** 40n)],
    ['int32', 'int32', Int32Array.of(-1, 7)],
    ['uint8', 'uint8', Uint8Array.of(255, 0)],
    ['int8', 'int8', Int8Array.of(-128, 1)],
    ['bits of float16', 'float16', Uint16Array.of(0x3c00, 0xc000)],
  ])('%s, as raw bytes', (_, type, data) => {
    expect(tensorData(makeTensor('t', type, [2], data))).toEqual(data);
  });

  test.each<[string, TensorProto, TensorData]>([
    ['float_data', { dataType: 1, dims: [2], floatData: [1, 2] }, Float32Array.of(1, 2)],
    ['int64_data', { dataType: 7, dims: [1], int64Data: [-5] }, BigInt64Array.of(-5n)],
    ['int32_data of bytes', { dataType: 2, dims: [2], int32Data: [1, 255] }, Uint8Array.of(1, 255)],
    ['double_data', { dataType: 11, dims: [1], doubleData: [0.5] }, Float64Array.of(0.5)],
    ['a scalar', { dataType: 1, dims: [], floatData: [3] }, Float32Array.of(3)],
  ])('%s', (_, tensor, data) => {
    expect(tensorData(tensor)).toEqual(data);
  });

  test.each<[string, TensorProto, string]>([
    ['fewer than the shape says', { name: 'w', dataType: 1, dims: [3], floatData: [1] }, 'ERR_MODEL_CORRUPT'],
    ['raw bytes that are no whole elements', { name: 'w', dataType: 1, dims: [1], rawData: Uint8Array.of(1, 2, 3) }, 'ERR_MODEL_CORRUPT'],
    ['an exotic type', { name: 'w', dataType: 17, dims: [1], rawData: Uint8Array.of(1) }, 'ERR_MODEL_UNSUPPORTED_OP'],
    ['data in another file', { name: 'w', dataType: 1, dims: [1], externalData: [{ key: 'location', value: 'w.bin' }] }, 'ERR_MODEL_UNSUPPORTED_OP'],
  ])('%s', (_, tensor, code) => {
    expect(() => tensorData(tensor)).toThrow(expect.objectContaining({ code }) as Error);
  });
});

test.each([
  ['zero', 0x0000, 0],
  ['one', 0x3c00, 1],
  ['a third, rounded', 0x3555, 0.333251953125],
  ['the greatest', 0x7bff, 65504],
  ['the least that is normal', 0x0400, 2 ** -14],
  ['the least of all', 0x0001, 2 ** -24],
  ['negative', 0xc000, -2],
  ['infinity', 0xfc00, -Infinity],
  ['no number', 0x7e00, NaN],
])('half precision: %s', (_, bits, value) => {
  expect(float16Value(bits)).toBe(value);
});

test('renaming reaches nodes and outputs', () => {
  const graph = graphOf(decodeModel(smallModel()));
  renameTensor(graph, 'y', 'z');
  expect(graph.output![0]!.name).toBe('z');
  expect(graph.node!.at(-1)!.output).toEqual(['z']);
});
