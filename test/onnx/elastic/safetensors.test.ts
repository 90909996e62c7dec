import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/core/errors.js';
import { isWorking, readElasticFile } from '../../../src/onnx/elastic/elastic-file.js';
import { readSafetensors } from '../../../src/onnx/elastic/safetensors.js';
import { thrownBy } from '../../fixtures/failure.js';
import { elasticFile, elasticNetwork, rawSafetensors, writeSafetensors, type ElasticParts, type WrittenTensor } from './elastic-network.js';

const entry = (begin: number, end: number, more: object = {}): object => ({ dtype: 'F32', shape: [(end - begin) / 4], data_offsets: [begin, end], ...more });
const file = (tensors: Record<string, unknown>, dataBytes: number): Uint8Array => rawSafetensors(JSON.stringify(tensors), new Uint8Array(dataBytes));

describe('a safetensors file', () => {
  test('gives its texts and tensors, whatever they are', () => {
    const tensor = fc.array(fc.float({ noNaN: true }), { maxLength: 12 }).map((values): WrittenTensor => ({ dims: [values.length], data: Float32Array.from(values) }));
    const name = fc.string({ minLength: 1, maxLength: 9 }).filter((text) => text !== '__metadata__' && text !== '__proto__');
    fc.assert(
      fc.property(fc.dictionary(name, fc.string(), { maxKeys: 4 }), fc.uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key, maxLength: 6 }), (metadata, tensors) => {
        const read = readSafetensors(writeSafetensors(metadata, new Map(tensors)), 'x');
        expect([...read.metadata].sort()).toEqual(Object.entries(metadata).sort());
        expect(new Set(read.tensors.keys())).toEqual(new Set(tensors.map(([key]) => key)));
        for (const [key, { dims, data }] of tensors) expect(read.tensors.get(key)).toEqual({ dims, data });
      }),
    );
  });

  test('may hold numbers of half precision', () => {
    const halves = new Uint8Array(Uint16Array.of(0x3c00, 0xc100, 0x0001).buffer); // 1, -2.5, the least above 0
    const { data } = readSafetensors(rawSafetensors(JSON.stringify({ a: { dtype: 'F16', shape: [3], data_offsets: [0, 6] } }), halves), 'x').tensors.get('a')!;
    expect(data).toEqual(Float32Array.of(1, -2.5, 2 ** -24));
  });

  test('may begin anywhere in memory', () => {
    const bytes = writeSafetensors({}, new Map([['a', { dims: [1], data: Float32Array.of(1.5) }]]));
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(readSafetensors(shifted.subarray(3), 'x').tensors.get('a')?.data).toEqual(Float32Array.of(1.5));
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['empty', new Uint8Array(0), /0 bytes hold no header/],
    ['cut off in its header', file({ a: entry(0, 4) }, 4).subarray(0, 20), /its header ends at byte \d+, the file at 20/],
    ['cut off in its data', file({ a: entry(0, 8) }, 4), /take 8 bytes, and there are 4/],
    ['too long', file({ a: entry(0, 4) }, 9), /5 bytes too many/],
    ['with a huge header', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1), /a header of 72057594037927936 bytes/],
    ['no JSON', rawSafetensors('{', new Uint8Array(0)), /is not JSON/],
    ['no object', rawSafetensors('[]', new Uint8Array(0)), /no JSON object/],
    ['no UTF-8', rawSafetensors('{}', new Uint8Array(0)).with(8, 0xff), /is not JSON/],
    ['with overlapping tensors', file({ a: entry(0, 8), b: entry(4, 12) }, 12), /b begins at byte 4 of the data, where another one lies up to 8: they overlap/],
    ['with a gap', file({ a: entry(0, 4), b: entry(8, 12) }, 12), /bytes 4 to 8 of the data belong to no tensor/],
    ['of whole numbers', file({ a: entry(0, 4, { dtype: 'I16', shape: [2] }) }, 4), /a has the dtype "I16", expected F32 or F16/],
    ['of half precision with bytes for full', file({ a: entry(0, 8, { dtype: 'F16', shape: [2] }) }, 8), /a has 8 bytes, its shape \[2\] says 4/],
    ['with another shape', file({ a: entry(0, 8, { shape: [3] }) }, 8), /a has 8 bytes, its shape \[3\] says 12/],
    ['with a negative size', file({ a: entry(0, 4, { shape: [-1, -1] }) }, 4), /a has the shape \[-1,-1\]/],
    ['that ends before it begins', file({ a: { dtype: 'F32', shape: [0], data_offsets: [4, 0] } }, 4), /a has -4 bytes/],
    ['with an offset that is none', file({ a: { dtype: 'F32', shape: [1], data_offsets: [0.5, 4.5] } }, 8), /data_offsets/],
    ['with a tensor that is none', file({ a: null }, 0), /a has the dtype undefined/],
    ['with metadata that are no texts', file({ __metadata__: { a: 1 } }, 0), /no object of texts/],
  ])('%s is refused', (_, bytes, message) => {
    expect(thrownBy(() => readSafetensors(bytes, 'elastic.safetensors'))).toMatchObject({ code: 'ERR_MODEL_CORRUPT', message: expect.stringMatching(message) as string, fix: expect.stringMatching(/./) as string });
  });

  test('that is damaged anywhere is read or refused, and never anything else', () => {
    const whole = elasticFile(elasticNetwork());
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6000 }), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: whole.length }), (at, byte, length) => {
        try {
          readElasticFile(whole.with(at, byte).subarray(0, length), 'x');
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          expect(['ERR_MODEL_CORRUPT', 'ERR_MODEL_ELASTIC']).toContain((error as AppError).code);
        }
      }),
    );
  });
});

describe('an elastic file', () => {
  test('has its ratios and layers', () => {
    const parts = elasticNetwork();
    const { ratios, layers } = readElasticFile(elasticFile(parts), 'x');
    expect(ratios).toEqual(parts.ratios);
    expect(layers.size).toBe(16);
    const stem = layers.get('stem')!;
    expect(stem.channels).toBe(8);
    const working = (r: number): number => Array.from({ length: 8 }, (_, channel) => isWorking(stem, channel, r)).filter(Boolean).length;
    expect([0, 1, 2, 3].map(working)).toEqual([8, 6, 4, 2]);
  });

  const without = (name: string) => (parts: ElasticParts) => void parts.tensors.delete(name);
  const withData = (name: string, change: (data: Float32Array) => Float32Array) => (parts: ElasticParts) => void parts.tensors.set(name, { ...parts.tensors.get(name)!, data: change(parts.tensors.get(name)!.data) });
  const withRatios = (ratios: unknown) => (parts: ElasticParts) => void (parts.metadata['ratios'] = typeof ratios === 'string' ? ratios : JSON.stringify(ratios));
  const ratio = (name: string, macs: number): object => ({ name, macs });

  test.each<[string, (parts: ElasticParts) => void, RegExp]>([
    ['of another format', (parts) => (parts.metadata['format'] = 'lynceus-elastic/2'), /its format is lynceus-elastic\/2, expected lynceus-elastic\/1/],
    ['that states none', (parts) => delete parts.metadata['format'], /its format is not stated/],
    ['without ratios', (parts) => delete parts.metadata['ratios'], /its metadata has no ratios/],
    ['whose ratios are no JSON', withRatios('['), /ratios are not JSON/],
    ['with one ratio', withRatios([ratio('100', 9)]), /ratios: /],
    ['with a ratio of a bad name', withRatios([ratio('100', 9), ratio('a b', 8)]), /ratios: 1\.name/],
    ['with two of a name', withRatios([ratio('1', 9), ratio('1', 8)]), /two ratios are named 1/],
    ['with a ratio that does more than the one before', withRatios([ratio('100', 9), ratio('50', 9)]), /ratio 50 does 9 multiply-accumulates/],
    ['with another number of ratios than its layers', withRatios([ratio('100', 9), ratio('50', 8)]), /threshold\/stem has the shape \[4\], expected \[2\]/],
    ['without a mask', without('mask/stem'), /mask\/stem is missing/],
    ['without a threshold', without('threshold/stem'), /threshold\/stem is missing/],
    ['without a scale', without('scale/mix'), /scale\/mix is missing/],
    ['without a shift', without('shift/mix'), /shift\/mix is missing/],
    ['with a tensor that nobody reads', (parts) => parts.tensors.set('weight/stem', parts.tensors.get('mask/stem')!), /nobody reads weight\/stem/],
    ['with a scale of another shape', (parts) => parts.tensors.set('scale/stem', parts.tensors.get('scale/mix')!), /scale\/stem has the shape \[4, 16\], expected \[4, 8\]/],
    ['with a number that is none', withData('shift/stem', (data) => data.with(3, Number.NaN)), /shift\/stem has values that are no finite numbers/],
    ['whose channels come back', withData('threshold/stem', (data) => Float32Array.of(data[0]!, data[2]!, data[1]!, data[3]!)), /threshold\/stem falls at ratio 50/],
    ['whose dense ratio is not', withData('threshold/stem', (data) => data.fill(data[1]!, 0, 1)), /stem: ratio 100, the dense one, is without 2 channels/],
    ['with nothing left', withData('threshold/stem', (data) => data.with(3, 2)), /stem has no channel left at ratio 25/],
    ['without layers', (parts) => parts.tensors.clear(), /it has no layer/],
  ])('%s is refused', (_, change, message) => {
    const parts = elasticNetwork();
    change(parts);
    expect(thrownBy(() => readElasticFile(elasticFile(parts), 'elastic.safetensors'))).toMatchObject({ code: 'ERR_MODEL_ELASTIC', message: expect.stringMatching(message) as string });
  });
});
