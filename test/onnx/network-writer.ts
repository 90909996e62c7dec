import type { ConvolutionShape, ConvolutionWeights } from './darknet-reference.js';
import { pseudoRandom } from './support.js';

/** Writes the sections and the weights of a Darknet network side by side. */
export class NetworkWriter {
  readonly #values: number[] = [];
  #cfg: string;
  #seed = 1;

  constructor(width: number, height: number, net = '') {
    this.#cfg = `# a test\n[net]\nwidth=${width}\nheight = ${height}\nchannels=3\n${net}\n`;
  }

  section(kind: string, text: string): void {
    this.#cfg += `[${kind}]\n${text.split(' ').join('\n')}\n\n`;
  }

  /** A convolution with random weights; gives them for the reference. */
  convolutional(inputs: number, shape: ConvolutionShape, activation: string, batchNorm = false): ConvolutionWeights {
    const { filters, size, stride, padding, groups = 1, dilation = 1 } = shape;
    this.section('convolutional', `filters=${filters} size=${size} stride=${stride} padding=${padding} groups=${groups} dilation=${dilation} batch_normalize=${Number(batchNorm)} activation=${activation}`);
    const biases = this.#random(filters);
    const norm = batchNorm ? { scales: this.#random(filters), means: this.#random(filters), variances: this.#random(filters).map(Math.abs) } : undefined;
    const weights = this.#random((filters * inputs * size * size) / groups);
    this.#values.push(...biases, ...(norm ? [...norm.scales, ...norm.means, ...norm.variances] : []), ...weights);
    return { biases, weights, ...(norm && { batchNorm: norm }) };
  }

  get cfg(): string {
    return this.#cfg;
  }

  weights({ header = [0, 2, 5, 0, 0], extra = [] as number[], drop = 0 } = {}): Uint8Array {
    const values = [...this.#values, ...extra];
    return new Uint8Array(Buffer.concat([Buffer.from(Int32Array.from(header).buffer), Buffer.from(Float32Array.from(values.slice(0, values.length - drop)).buffer)]));
  }

  #random(count: number): Float32Array {
    return pseudoRandom(count, (this.#seed += 97)).map((value) => 2 * value - 1);
  }
}
