/**
 * Solves `a x = b` for a symmetric positive definite `a` by Cholesky's decomposition, in place: `b` becomes x, the lower triangle of
 * `a` its factor.
 *
 * @param a row-major, `size * size`; only its lower triangle is read.
 * @returns false where `a` is not positive definite; `b` is undefined then.
 */
export function solvePositiveDefinite(a: Float64Array, b: Float64Array, size: number): boolean {
  if (!factorise(a, size)) return false;
  for (let row = 0; row < size; row += 1) {
    b[row] = (b[row]! - dot(a, row * size, b, 0, row)) / a[row * size + row]!;
  }
  for (let row = size - 1; row >= 0; row -= 1) {
    const value = b[row]! / a[row * size + row]!;
    b[row] = value;
    for (let column = 0; column < row; column += 1) b[column]! -= a[row * size + column]! * value;
  }
  return true;
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
 * Diagonal of the inverse of `a`, which is spoiled.
 *
 * @returns undefined where `a` is not positive definite.
 */
export function inverseDiagonal(a: Float64Array, size: number): Float64Array | undefined {
  if (!factorise(a, size)) return undefined;
  // a^-1 = L^-T L^-1: its diagonal holds the squared columns of L^-1, which are found one by one.
  const diagonal = new Float64Array(size);
  const column = new Float64Array(size);
  for (let j = 0; j < size; j += 1) {
    column.fill(0, 0, j);
    column[j] = 1 / a[j * size + j]!;
    let sum = column[j]! ** 2;
    for (let i = j + 1; i < size; i += 1) {
      const value = -dotFrom(a, i * size, column, j, i) / a[i * size + i]!;
      column[i] = value;
      sum += value * value;
    }
    diagonal[j] = sum;
  }
  return diagonal;
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

/** Sum of `a[aStart + i] * b[i]` from `from` to before `to`. */
function dotFrom(a: Float64Array, aStart: number, b: Float64Array, from: number, to: number): number {
  return dot(a, aStart + from, b, from, to - from);
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
