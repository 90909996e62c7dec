import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

/** Bytes of a model's file, and of what goes over a network when it is downloaded compressed. */
export interface PackageSize {
  readonly file: number;
  /** Level 9. */
  readonly gzip: number;
  /** Quality 9, window 22. */
  readonly brotli: number;
}

export function packageSize(onnx: Uint8Array): PackageSize {
  const brotli = brotliCompressSync(onnx, { params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 22, [constants.BROTLI_PARAM_SIZE_HINT]: onnx.length } });
  return { file: onnx.length, gzip: gzipSync(onnx, { level: 9 }).length, brotli: brotli.length };
}
