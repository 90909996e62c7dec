/** Solves `L L^T x = b` in place for a factor of `factorise`. */
export function substitute(factor: Float64Array, b: Float64Array, size: number): void {
  for (let row = 0; row < size; row += 1) {
    b[row] = (b[row]! - dot(factor, row * size, b, 0, row)) / factor[row * size + row]!;
  }
  for (let row = size - 1; row >= 0; row -= 1) {
    const value = b[row]! / factor[row * size + row]!;
    b[row] = value;
    for (let column = 0; column < row; column += 1) b[column]! -= factor[row * size + column]! * value;
  }
}

/** Cholesky's factor L of `a = L L^T` in its lower triangle. @returns false where `a` is not positive definite */
export function factorise(a: Float64Array, size: number): boolean {
  for (let row = 0; row < size; row += 1) {
    const rowStart = row * size;
    for (let column = 0; column < row; column += 1) {
      a[rowStart + column] = (a[rowStart + column]! - dot(a, rowStart, a, column * size, column)) / a[column * size + column]!;
    }
    const pivot = a[rowStart + row]! - dot(a, rowStart, a, rowStart, row);
    if (!(pivot > 0)) return false;
    a[rowStart + row] = Math.sqrt(pivot);
  }
  return true;
}

/**
 * The inverse of a symmetric positive definite `a`, which is spoiled.
 *
 * @returns row-major and whole; undefined where `a` is not positive definite.
 */
export function inverse(a: Float64Array, size: number): Float64Array | undefined {
  if (!factorise(a, size)) return undefined;
  // Rows of `half` are the columns of L^-1: row j begins at its diagonal.
  const half = new Float64Array(size * size);
  for (let j = 0; j < size; j += 1) {
    const start = j * size;
    half[start + j] = 1 / a[j * size + j]!;
    for (let i = j + 1; i < size; i += 1) half[start + i] = -dotRows(a, i * size, half, start, j, i) / a[i * size + i]!;
  }
  const result = new Float64Array(size * size);
  for (let i = 0; i < size; i += 1) {
    for (let j = 0; j <= i; j += 1) {
      const value = dotRows(half, i * size, half, j * size, i, size);
      result[i * size + j] = value;
      result[j * size + i] = value;
    }
  }
  return result;
}

/** Sum of `a[aStart + i] * b[bStart + i]` from `from` to before `to`. */
function dotRows(a: Float64Array, aStart: number, b: Float64Array, bStart: number, from: number, to: number): number {
  return dot(a, aStart + from, b, bStart + from, to - from);
}

/** Four sums at a time: additions wait for each other, multiplications don't. */
function dot(a: Float64Array, aStart: number, b: Float64Array, bStart: number, length: number): number {
  let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    sum0 += a[aStart + i]! * b[bStart + i]!;
    sum1 += a[aStart + i + 1]! * b[bStart + i + 1]!;
    sum2 += a[aStart + i + 2]! * b[bStart + i + 2]!;
    sum3 += a[aStart + i + 3]! * b[bStart + i + 3]!;
  }
  for (let i = whole; i < length; i += 1) sum0 += a[aStart + i]! * b[bStart + i]!;
  return sum0 + sum1 + sum2 + sum3;
}
