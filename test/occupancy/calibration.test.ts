import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/core/errors.js';
import type { CalibrationOptions } from '../../src/occupancy/calibration/calibration.js';
import { distort, undistort } from '../../src/occupancy/calibration/lens.js';
import { axisOf, isRotation, multiply, rotationOf, transpose } from '../../src/occupancy/calibration/matrix3.js';
import { parseCalibration } from '../../src/occupancy/calibration/parse-calibration.js';
import { thrownBy } from '../fixtures/failure.js';
import { cameraInfo, cameraInfoMessage, KITTI_OBJECT, KITTI_RAW, MIDDLEBURY, OPENCV_EXTRINSICS, OPENCV_INTRINSICS, OPENCV_RECTIFIED } from './calibration-files.js';

const KITTI_SIZE = { width: 1242, height: 375 };
const parse = (texts: readonly string[], options?: CalibrationOptions) => parseCalibration(texts.map((text, i) => ({ name: `calibration-${i}`, text })), options);

describe('formats', () => {
  test.each([
    ['calib.txt of the object set, which has no size', KITTI_OBJECT],
    ['calib_cam_to_cam.txt of the raw data', KITTI_RAW],
  ])('KITTI: %s', (_, text) => {
    const { format, rig, raw } = parse([text], { pictureSize: KITTI_SIZE });
    expect({ format, raw }).toEqual({ format: 'kitti', raw: undefined });
    expect(rig).toMatchObject({ size: KITTI_SIZE, focalPx: 721.5377, centre: { x: 609.5593, y: 172.854 }, centreShiftPx: 0 });
    expect(rig.baselineM).toBeCloseTo(0.5327, 4);
  });

  test('KITTI: the grey cameras where they are asked for, or are all there is', () => {
    const onlyGrey = KITTI_OBJECT.split('\n').slice(0, 2).join('\n');
    for (const [text, options] of [[KITTI_OBJECT, { kittiCameras: 'grey' }], [onlyGrey, {}]] as const) {
      expect(parse([text], { pictureSize: KITTI_SIZE, ...options }).rig.baselineM).toBeCloseTo(0.53715, 4);
    }
  });

  test('Middlebury: millimetres, and axes in different columns', () => {
    const { rig, raw } = parse([MIDDLEBURY]);
    expect(raw).toBeUndefined();
    expect(rig.baselineM).toBeCloseTo(0.1205, 9);
    expect(rig).toMatchObject({ size: { width: 960, height: 720 }, focalPx: 1500, centre: { x: 480.5, y: 370.25 }, centreShiftPx: 50 });
  });

  test('OpenCV: intrinsics and extrinsics are rectified to what OpenCV rectifies them to', () => {
    const { rig, raw } = parse([OPENCV_INTRINSICS, OPENCV_EXTRINSICS], { pictureSize: { width: 640, height: 480 }, unit: 'cm' });
    expect(rig.focalPx).toBeCloseTo(OPENCV_RECTIFIED.focalPx, 9);
    // OpenCV undistorts corners with five iterations only.
    expect(rig.centre.x).toBeCloseTo(OPENCV_RECTIFIED.centre.x, 0);
    expect(rig.centre.y).toBeCloseTo(OPENCV_RECTIFIED.centre.y, 0);
    expect(rig.baselineM * 100).toBeCloseTo(-OPENCV_RECTIFIED.shift / OPENCV_RECTIFIED.focalPx, 9);
    for (const side of ['left', 'right'] as const) raw![side].rotation.forEach((value, i) => expect(value).toBeCloseTo(OPENCV_RECTIFIED[side][i]!, 9));
    expect(raw!.left.lens.distortion).toEqual([-0.288, 0.097, 0.00109, -0.0003, 0]);
  });

  test('OpenCV: R1 R2 P1 P2 count where a file has them, and its own size', () => {
    const rows = (name: string, data: readonly number[]) => `${name}: !!opencv-matrix\n   rows: 3\n   cols: ${data.length / 3}\n   dt: d\n   data: [ ${data.join(', ')} ]\n`;
    const text = `${OPENCV_INTRINSICS}image_width: 640\nimage_height: 480\n${rows('R1', OPENCV_RECTIFIED.left)}${rows('R2', OPENCV_RECTIFIED.right)}${rows('P1', [500, 0, 330, 0, 0, 500, 240, 0, 0, 0, 1, 0])}${rows('P2', [500, 0, 340, -60, 0, 500, 240, 0, 0, 0, 1, 0])}`;
    expect(parse([text]).rig).toEqual({ size: { width: 640, height: 480 }, focalPx: 500, centre: { x: 330, y: 240 }, centreShiftPx: 10, baselineM: 0.12 });
  });

  test.each([
    ['files of camera_calibration', cameraInfo],
    ['messages of ROS 2', cameraInfoMessage],
  ])('ROS: %s', (_, write) => {
    const { format, rig, raw } = parse([write(0), write(-54)]);
    expect(format).toBe('camera-info');
    expect(rig).toEqual({ size: { width: 640, height: 480 }, focalPx: 450, centre: { x: 320.5, y: 240.5 }, centreShiftPx: 0, baselineM: 0.12 });
    expect(raw!.right.lens).toMatchObject({ focalPx: { x: 501.2, y: 502.7 }, centre: { x: 318.4, y: 241.9 } });
  });
});

describe('what can not be true', () => {
  test.each<[reason: string, code: string, texts: readonly string[], message: RegExp, options?: CalibrationOptions]>([
    ['no file at all', 'ERR_CALIBRATION_FORMAT', [], /none of their keys/],
    ['an empty file', 'ERR_CALIBRATION_FORMAT', [''], /none of their keys/],
    ['something else', 'ERR_CALIBRATION_FORMAT', ['{"P2": 1}'], /none of their keys/],
    ['files of two formats', 'ERR_CALIBRATION_FORMAT', [KITTI_OBJECT, MIDDLEBURY], /none of their keys/],
    ['KITTI without a size', 'ERR_CALIBRATION_FORMAT', [KITTI_OBJECT], /size of the pictures/],
    ['KITTI with eleven numbers', 'ERR_CALIBRATION_FORMAT', [KITTI_RAW.replace(' 2.729905e-03', '')], /12 numbers for P_rect_03/],
    ['KITTI without its right camera', 'ERR_CALIBRATION_FORMAT', [KITTI_RAW.replace('P_rect_03', 'Q')], /P3 but it is missing/],
    ['KITTI with a word for a number', 'ERR_CALIBRATION_FORMAT', [KITTI_RAW.replace('-3.395242e+02', 'nan')], /P_rect_03/],
    ['KITTI with rectified cameras of two sizes', 'ERR_CALIBRATION_SIZE', [KITTI_RAW.replace('S_rect_03: 1.242', 'S_rect_03: 1.240')], /one size/],
    ['pictures of another shape', 'ERR_CALIBRATION_SIZE', [KITTI_RAW], /640 x 480/, { pictureSize: { width: 640, height: 480 } }],
    ['Middlebury without a baseline', 'ERR_CALIBRATION_FORMAT', [MIDDLEBURY.replace('baseline', 'bline')], /baseline but it is missing/],
    ['a size of no pixels', 'ERR_CALIBRATION_SIZE', [MIDDLEBURY.replace('width=960', 'width=0')], /0 x 720/],
    ['a focal length in millimetres', 'ERR_CALIBRATION_LENS', [MIDDLEBURY.replaceAll('1500', '8')], /focal length of 192/],
    ['cameras of two focal lengths', 'ERR_CALIBRATION_LENS', [MIDDLEBURY.replace('cam1=[1500', 'cam1=[1600')], /one focal length/],
    ['an axis outside of the picture', 'ERR_CALIBRATION_LENS', [MIDDLEBURY.replaceAll('370.25', '-20')], /within the picture/],
    ['axes in different rows', 'ERR_CALIBRATION_LENS', [MIDDLEBURY.replace('370.25', '375')], /same row/],
    ['no baseline', 'ERR_CALIBRATION_BASELINE', [MIDDLEBURY.replace('120.5', '0')], /found 0 m/],
    ['metres for millimetres', 'ERR_CALIBRATION_BASELINE', [MIDDLEBURY.replace('120.5', '0.12')], /0\.00012/],
    ['ROS with left and right swapped', 'ERR_CALIBRATION_BASELINE', [cameraInfo(-54), cameraInfo(0)], /-0\.12/],
    ['ROS with one file', 'ERR_CALIBRATION_FORMAT', [cameraInfo(0)], /found 1/],
    ['ROS with a fisheye', 'ERR_CALIBRATION_DISTORTION', [cameraInfo(0, 'equidistant'), cameraInfo(-54)], /equidistant/],
    ['ROS with cameras of two sizes', 'ERR_CALIBRATION_SIZE', [cameraInfo(0), cameraInfo(-54, 'plumb_bob', 644)], /644 x 480/],
    ['a board in millimetres that is taken for metres', 'ERR_CALIBRATION_BASELINE', [OPENCV_INTRINSICS, OPENCV_EXTRINSICS.replace('-3.34', '-92')], /92/, { pictureSize: { width: 640, height: 480 } }],
    ['a distortion that folds', 'ERR_CALIBRATION_DISTORTION', [OPENCV_INTRINSICS.replace('-0.288', '-2.88'), OPENCV_EXTRINSICS], /folds the picture over/, { pictureSize: { width: 640, height: 480 } }],
    ['a tilted sensor', 'ERR_CALIBRATION_DISTORTION', [OPENCV_INTRINSICS.replace('-0.0003, 0.', '-0.0003, 0., 0., 0., 0., 0.1, 0., 0., 0.'), OPENCV_EXTRINSICS], /thin prisms/, { pictureSize: { width: 640, height: 480 } }],
    ['cameras above one another', 'ERR_CALIBRATION_BASELINE', [OPENCV_INTRINSICS, OPENCV_EXTRINSICS.replace('4.8000000000000001e-02', '7.')], /above the other/, { pictureSize: { width: 640, height: 480 } }],
    ['a rotation that stretches', 'ERR_CALIBRATION_FORMAT', [OPENCV_INTRINSICS, OPENCV_EXTRINSICS.replace('9.9996750056603767e-01', '2.')], /rotation for R/, { pictureSize: { width: 640, height: 480 } }],
    ['YAML that is cut off', 'ERR_CALIBRATION_FORMAT', [`${OPENCV_INTRINSICS}X: [1, 2`], /no YAML/],
  ])('%s: %s', (_, code, texts, message, options) => {
    const error = thrownBy(() => parse(texts, options));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test('swapped cameras are told apart from a wrong unit', () => {
    expect(thrownBy(() => parse([cameraInfo(-54), cameraInfo(0)])).fix).toMatch(/swapped/);
    expect(thrownBy(() => parse([MIDDLEBURY.replace('120.5', '0.12')])).fix).toMatch(/unit/);
  });

  test('whatever is broken in a file, it is a calibration or a coded error', () => {
    const texts = [KITTI_OBJECT, KITTI_RAW, MIDDLEBURY, OPENCV_INTRINSICS + OPENCV_EXTRINSICS.slice(14), cameraInfo(-54)];
    const damage = fc.record({ text: fc.constantFrom(...texts), at: fc.nat(4000), length: fc.nat(60), put: fc.string({ maxLength: 12 }) });
    fc.assert(
      fc.property(damage, ({ text, at, length, put }) => {
        const from = at % text.length;
        const broken = text.slice(0, from) + put + text.slice(from + length);
        try {
          const { rig } = parse([broken, broken].slice(0, text.includes('camera_matrix') ? 2 : 1), { pictureSize: KITTI_SIZE });
          expect(rig.baselineM).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          expect((error as AppError).code).toMatch(/^ERR_CALIBRATION_/);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('lenses and rotations', () => {
  test('the rational model shows a point where OpenCV projects it', () => {
    const { x, y } = distort({ distortion: [0.1, -0.05, 0.001, 0.002, 0.01, 0.12, -0.03, 0.004] }, { x: 0.3, y: -0.2 });
    expect(x).toBeCloseTo(0.29963560845781895, 12);
    expect(y).toBeCloseTo(-0.19945373897187935, 12);
  });

  test('what is distorted can be undistorted', () => {
    const small = (reach: number) => fc.double({ min: -reach, max: reach, noNaN: true });
    const distortion = fc.tuple(small(0.25), small(0.08), small(0.002), small(0.002), small(0.02));
    fc.assert(
      fc.property(distortion, small(0.6), small(0.45), (coefficients, x, y) => {
        const back = undistort({ distortion: coefficients }, distort({ distortion: coefficients }, { x, y }));
        expect(Math.hypot(back.x - x, back.y - y)).toBeLessThan(1e-6);
      }),
    );
  });

  test('a rotation has the axis that it was made of, and its transpose turns back', () => {
    const part = fc.double({ min: -1.5, max: 1.5, noNaN: true });
    fc.assert(
      fc.property(part, part, part, (x, y, z) => {
        const rotation = rotationOf([x, y, z]);
        expect(isRotation(rotation)).toBe(true);
        multiply(rotation, transpose(rotation)).forEach((value, i) => expect(value).toBeCloseTo(i % 4 === 0 ? 1 : 0, 9));
        axisOf(rotation).forEach((value, i) => expect(value).toBeCloseTo([x, y, z][i]!, 6));
      }),
    );
  });
});
