import type { StereoRig } from '../core/stereo-rig.js';
import type { Size } from '../core/size.js';
import type { RawCamera } from './calibration/calibration.js';
import { type Point, scaleLens, undistort } from './calibration/lens.js';
import { turn } from './calibration/matrix3.js';
import { rectifiedToRaw } from './rectify.js';

/** The left camera of a rig, whose pictures are to be rectified. */
export interface RawLeft {
  readonly camera: RawCamera;
  /** Of its pictures as they come. */
  readonly from: Size;
  /** Of the rectified pictures, at any scale. */
  readonly rig: StereoRig;
}

type PixelBox = readonly [number, number, number, number];

/** Boxes of the camera's own picture as boxes of the rectified one: the smallest that hold what their edges become. @param xyxy 4 numbers a box */
export function rectifyBoxes(xyxy: Float32Array, { camera, from, rig }: RawLeft): Float32Array {
  const lens = scaleLens(camera.lens, from);
  const toRectified = ({ x, y }: Point): Point => {
    const seen = undistort(lens, { x: (x - lens.centre.x) / lens.focalPx.x, y: (y - lens.centre.y) / lens.focalPx.y });
    const [rx, ry, rz] = turn(camera.rotation, [seen.x, seen.y, 1]);
    return { x: (rig.focalPx * rx) / rz + rig.centre.x, y: (rig.focalPx * ry) / rz + rig.centre.y };
  };
  const boxes = new Float32Array(xyxy.length);
  for (let i = 0; i < xyxy.length; i += 4) boxes.set(around([xyxy[i]!, xyxy[i + 1]!, xyxy[i + 2]!, xyxy[i + 3]!], toRectified), i);
  return boxes;
}

/** A box of the rectified picture in the camera's own, within it. */
export function unrectifyBox(box: PixelBox, { camera, from, rig }: RawLeft): PixelBox {
  const [left, top, right, bottom] = around(box, rectifiedToRaw({ camera, rig, side: 'left', from }));
  const within = (value: number, size: number): number => Math.min(Math.max(value, 0), size);
  return [within(left, from.width), within(top, from.height), within(right, from.width), within(bottom, from.height)];
}

/** Around a box's corners and the middles of its edges, which a lens bends most. */
function around([left, top, right, bottom]: PixelBox, move: (point: Point) => Point): PixelBox {
  const columns = [left, (left + right) / 2, right];
  const points = columns.flatMap((x) => [top, (top + bottom) / 2, bottom].map((y) => move({ x, y }))).filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  return points.length === 0 ? [0, 0, 0, 0] : [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
