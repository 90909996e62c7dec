/** A 3x3 matrix, row by row. */
export type Matrix3 = readonly number[];
export type Vector3 = readonly [x: number, y: number, z: number];

export const IDENTITY: Matrix3 = [1, 0, 0, 0, 1, 0, 0, 0, 1];

export function multiply(a: Matrix3, b: Matrix3): Matrix3 {
  return Array.from({ length: 9 }, (_, i) => {
    const [row, column] = [3 * Math.floor(i / 3), i % 3];
    return a[row]! * b[column]! + a[row + 1]! * b[column + 3]! + a[row + 2]! * b[column + 6]!;
  });
}

export function transpose(m: Matrix3): Matrix3 {
  return Array.from({ length: 9 }, (_, i) => m[3 * (i % 3) + Math.floor(i / 3)]!);
}

export function turn(m: Matrix3, [x, y, z]: Vector3): Vector3 {
  return [m[0]! * x + m[1]! * y + m[2]! * z, m[3]! * x + m[4]! * y + m[5]! * z, m[6]! * x + m[7]! * y + m[8]! * z];
}

export function lengthOf([x, y, z]: Vector3): number {
  return Math.hypot(x, y, z);
}

/** The rotation about an axis by the axis's length, radians (Rodrigues' formula). */
export function rotationOf(axis: Vector3): Matrix3 {
  const angle = lengthOf(axis);
  if (angle === 0) return IDENTITY;
  const [x, y, z] = [axis[0] / angle, axis[1] / angle, axis[2] / angle];
  const [s, c] = [Math.sin(angle), Math.cos(angle)];
  const v = 1 - c;
  return [c + x * x * v, x * y * v - z * s, x * z * v + y * s, x * y * v + z * s, c + y * y * v, y * z * v - x * s, x * z * v - y * s, y * z * v + x * s, c + z * z * v];
}

/** The axis of a rotation, as long as its angle; of less than half a turn, as cameras side by side are to each other. */
export function axisOf(m: Matrix3): Vector3 {
  const twist: Vector3 = [(m[7]! - m[5]!) / 2, (m[2]! - m[6]!) / 2, (m[3]! - m[1]!) / 2];
  const sine = lengthOf(twist);
  const angle = Math.atan2(sine, (m[0]! + m[4]! + m[8]! - 1) / 2);
  const by = sine === 0 ? 1 : angle / sine;
  return [twist[0] * by, twist[1] * by, twist[2] * by];
}

/** Whether it turns without stretching or mirroring, but for rounding in a file. */
export function isRotation(m: Matrix3): boolean {
  const TOLERANCE = 1e-3;
  const square = multiply(m, transpose(m));
  const determinant = m[0]! * (m[4]! * m[8]! - m[5]! * m[7]!) - m[1]! * (m[3]! * m[8]! - m[5]! * m[6]!) + m[2]! * (m[3]! * m[7]! - m[4]! * m[6]!);
  return determinant > 0 && square.every((value, i) => Math.abs(value - IDENTITY[i]!) < TOLERANCE);
}
