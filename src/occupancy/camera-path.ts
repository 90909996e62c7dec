import { AppError } from '../core/errors.js';
import { composeMotions, isRigid, type RigidMotion } from './ego-motion.js';

/**
 * Where the left camera is at a frame: a rigid 4x4 matrix, row by row, that takes points of its axes at that frame to those of the first
 * frame, metres.
 */
export type CameraPose = RigidMotion;

/** Of a recording: the pose of each frame, as far as it is known. */
export interface CameraPath {
  /** Whether poses are found by presentation time, which goes on rising where a recording is looped, and not by the number of the frame. */
  readonly isByTime: boolean;
  /** @param index of the frame in one pass of the recording, from 0. */
  poseAt(index: number, ptsUs: number): CameraPose | undefined;
}

/** A pose holds for frames so near to its time: half a frame at 25 a second. */
const SAME_FRAME_US = 20_000;
const LAST_ROW = [0, 0, 0, 1];

/**
 * Reads the path of a camera: KITTI's poses (a line a frame, the 12 numbers of a 3x4 matrix) or NDJSON (`{"pts_us": 0, "matrix": [...]}`, 12 or 16
 * numbers, by rising time).
 *
 * @throws AppError ERR_CONFIG_INVALID with the line that is no pose.
 */
export function parseCameraPath(text: string, name: string): CameraPath {
  const lines = text.split('\n').map((line) => line.trim());
  while (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) throw bad(name, 0, 'there is none');
  return lines[0]!.startsWith('{') ? timedPath(lines, name) : numberedPath(lines, name);
}

/** From the axes at `now` to those at `before`: what fusion moves a map by. */
export function motionBetween(before: CameraPose, now: CameraPose): RigidMotion {
  return composeMotions(inverse(before), now);
}

function numberedPath(lines: readonly string[], name: string): CameraPath {
  const poses = lines.map((line, i) => poseOf(line.split(/\s+/).map(Number), name, i));
  return { isByTime: false, poseAt: (index) => poses[index] };
}

interface TimedPose {
  readonly ptsUs: number;
  readonly pose: CameraPose;
}

function timedPath(lines: readonly string[], name: string): CameraPath {
  const poses = lines.map((line, i): TimedPose => {
    const { pts_us: ptsUs, matrix } = parseLine(line, name, i);
    if (typeof ptsUs !== 'number' || !Number.isFinite(ptsUs)) throw bad(name, i, 'expected a number for pts_us');
    if (!Array.isArray(matrix)) throw bad(name, i, 'expected an array for matrix');
    return { ptsUs, pose: poseOf(matrix.map(Number), name, i) };
  });
  const late = poses.findIndex(({ ptsUs }, i) => i > 0 && ptsUs <= poses[i - 1]!.ptsUs);
  if (late > 0) throw bad(name, late, 'expected a later pts_us than on the line before');
  return { isByTime: true, poseAt: (_, ptsUs) => nearest(poses, ptsUs) };
}

function parseLine(line: string, name: string, i: number): { readonly pts_us?: unknown; readonly matrix?: unknown } {
  try {
    return JSON.parse(line) as { readonly pts_us?: unknown; readonly matrix?: unknown };
  } catch (cause) {
    throw bad(name, i, 'expected JSON', cause);
  }
}

function nearest(poses: readonly TimedPose[], ptsUs: number): CameraPose | undefined {
  let [low, high] = [0, poses.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (poses[middle]!.ptsUs < ptsUs) low = middle + 1;
    else high = middle;
  }
  const [before, after] = [poses[low - 1], poses[low]!];
  const best = before && ptsUs - before.ptsUs < Math.abs(after.ptsUs - ptsUs) ? before : after;
  return Math.abs(best.ptsUs - ptsUs) <= SAME_FRAME_US ? best.pose : undefined;
}

function poseOf(numbers: readonly number[], name: string, i: number): CameraPose {
  const pose = numbers.length === 12 ? [...numbers, ...LAST_ROW] : numbers;
  if (!isRigid(pose)) throw bad(name, i, 'expected the 12 or 16 numbers of a matrix that turns and shifts');
  return pose;
}

/** Of a rigid motion: turned back, then shifted back. */
function inverse(motion: RigidMotion): RigidMotion {
  const turned = (row: number): readonly [number, number, number] => [motion[row]!, motion[4 + row]!, motion[8 + row]!];
  const shift = [motion[3]!, motion[7]!, motion[11]!] as const;
  const rows = [0, 1, 2].flatMap((row) => {
    const [a, b, c] = turned(row);
    return [a, b, c, -(a * shift[0] + b * shift[1] + c * shift[2])];
  });
  return [...rows, ...LAST_ROW];
}

function bad(name: string, line: number, what: string, cause?: unknown): AppError {
  return new AppError('ERR_CONFIG_INVALID', `${name}, line ${line + 1}: no pose of a camera: ${what}.`, { cause, fix: "Give KITTI's poses or NDJSON with pts_us and matrix." });
}
