import { OfflineSession } from '../../inference/offline-session.js';
import { encodeModel, makeNode, makeValueInfo, newModel } from '../../onnx/model-proto.js';

/** Opset of the one operator here. */
const OPSET = 13;

/** Products of tall matrices by onnxruntime: many times as fast as loops here. */
export class MatrixProduct {
  readonly #session: OfflineSession;

  private constructor(session: OfflineSession) {
    this.#session = session;
  }

  static async create(threads?: number): Promise<MatrixProduct> {
    const graph = {
      name: 'product',
      node: [makeNode('Gemm', 'product', ['a', 'b'], ['c'], { transA: { i: 1 } })],
      input: [makeValueInfo('a', 'float32', ['rows', 'n']), makeValueInfo('b', 'float32', ['rows', 'm'])],
      output: [makeValueInfo('c', 'float32', ['n', 'm'])],
    };
    return new MatrixProduct(await OfflineSession.create(encodeModel(newModel(graph, OPSET, {})), threads === undefined ? {} : { threads }));
  }

  /** `a^T b` of row-major `rows * n` and `rows * m`. */
  async transposedTimes(a: Float32Array, n: number, b: Float32Array, m: number, rows: number): Promise<Float32Array> {
    const tensor = (data: Float32Array, columns: number) => ({ type: 'float32', dims: [rows, columns], data });
    const { c } = await this.#session.run({ a: tensor(a, n), b: tensor(b, m) });
    return c!.data as Float32Array;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}
