import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundsOf, meet, normalAt, rotationOf } from '../../src/stereo-scenes/intersect.js';
import type { Solid } from '../../src/stereo-scenes/scene.js';

type Kind = Solid['kind'];
type Three = readonly [number, number, number];

/** Half sides 1, 2, 3 where a kind has three, else radius 1 and half height 2. */
const HALF: Readonly<Record<Kind, Three>> = { box: [1, 2, 3], ellipsoid: [1, 2, 3], cylinder: [1, 2, 1], cone: [1, 2, 1] };

function meetKind(kind: Kind, [ox, oy, oz]: Three, [dx, dy, dz]: Three, isFar = false): number {
  return meet(kind, ...HALF[kind], ox, oy, oz, dx, dy, dz, isFar);
}

test.each<[string, Kind, Three, Three, boolean, number]>([
  ['a box from before it', 'box', [0, 0, -10], [0, 0, 1], false, 7],
  ['the far side of a box', 'box', [0, 0, -10], [0, 0, 1], true, 13],
  ['a ray twice as long meets at half the length', 'box', [0, 0, -10], [0, 0, 2], false, 3.5],
  ['a box from within: its inside', 'box', [0, 0, 0], [1, 0, 0], false, 1],
  ['a box behind the eye', 'box', [0, 0, 10], [0, 0, 1], false, Infinity],
  ['past a box, along one of its sides', 'box', [1.5, 0, -10], [0, 0, 1], false, Infinity],
  ['an ellipsoid along each of its axes: x', 'ellipsoid', [-5, 0, 0], [1, 0, 0], false, 4],
  ['y', 'ellipsoid', [0, -5, 0], [0, 1, 0], false, 3],
  ['z', 'ellipsoid', [0, 0, -5], [0, 0, 1], false, 2],
  ['past an ellipsoid', 'ellipsoid', [1.01, 0, -5], [0, 0, 1], false, Infinity],
  ['the side of a cylinder', 'cylinder', [0, 0, -5], [0, 0, 1], false, 4],
  ['the lid of a cylinder from above', 'cylinder', [0.5, -5, 0], [0, 1, 0], false, 3],
  ['over a cylinder', 'cylinder', [0, -2.1, -5], [0, 0, 1], false, Infinity],
  ['a cone half way up, where half the radius is left', 'cone', [0, -2, -5], [0, 0, 1], false, 4.5],
  ['over the tip of a cone', 'cone', [0, -4.1, -5], [0, 0, 1], false, Infinity],
  ['under a cone', 'cone', [0, 0.1, -5], [0, 0, 1], false, Infinity],
])('%s', (_, kind, from, along, isFar, expected) => {
  expect(meetKind(kind, from, along, isFar)).toBeCloseTo(expected, 9);
});

/** 0 on the surface of a solid, below 0 in it. */
const OUTSIDE: Readonly<Record<Kind, (x: number, y: number, z: number) => number>> = {
  box: (x, y, z) => Math.max(Math.abs(x) - 1, Math.abs(y) / 2 - 1, Math.abs(z) / 3 - 1),
  ellipsoid: (x, y, z) => x ** 2 + (y / 2) ** 2 + (z / 3) ** 2 - 1,
  cylinder: (x, y, z) => Math.max(Math.hypot(x, z) - 1, Math.abs(y) / 2 - 1),
  cone: (x, y, z) => Math.hypot(x, z) - (y + 4) / 4,
};
const metres = (reach: number) => fc.double({ min: -reach, max: reach, noNaN: true });

describe.each(Object.keys(OUTSIDE) as Kind[])('any ray to a %s', (kind) => {
  test('that meets it, meets its surface; the normal there points out of it', () => {
    fc.assert(
      fc.property(fc.tuple(metres(0.5), metres(0.5), metres(0.5)), metres(3), fc.double({ min: -1.2, max: 1.2, noNaN: true }), ([tx, ty, tz], angle, lift) => {
        const eye: Three = [12 * Math.cos(angle) * Math.cos(lift), 12 * Math.sin(lift), 12 * Math.sin(angle) * Math.cos(lift)];
        const middleY = kind === 'cone' ? -2 : 0;
        const along: Three = [tx - eye[0], ty + middleY - eye[1], tz - eye[2]];
        const t = meetKind(kind, eye, along);
        // Cones have no base: from below one looks into them.
        if (kind === 'cone' && t === Infinity) return;
        const [x, y, z] = [eye[0] + t * along[0], eye[1] + t * along[1], eye[2] + t * along[2]];
        expect(Math.abs(OUTSIDE[kind](x, y, z))).toBeLessThan(1e-6);
        const normal = new Float64Array(3);
        normalAt(kind, ...HALF[kind], x, y, z, normal);
        const step = 1e-3 / Math.hypot(...normal);
        expect(OUTSIDE[kind](x + step * normal[0]!, y + step * normal[1]!, z + step * normal[2]!)).toBeGreaterThan(0);
      }),
    );
  });
});

test('turning keeps lengths, and turns about the vertical axis first', () => {
  expect(rotationOf(0, 0)).toEqual([1, 0, -0, 0, 1, 0, 0, -0, 1]);
  fc.assert(
    fc.property(metres(4), metres(2), (yaw, tilt) => {
      const [a, b, c, d, e, f, g, h, i] = rotationOf(yaw, tilt);
      for (const [x, y, z] of [[a, b, c], [d, e, f], [g, h, i]] as const) expect(Math.hypot(x, y, z)).toBeCloseTo(1, 9);
      expect(a * d + b * e + c * f).toBeCloseTo(0, 9);
      expect(a * g + b * h + c * i).toBeCloseTo(0, 9);
    }),
  );
});

test('the box around a cone stands on its base', () => {
  const material = { pattern: 'plain', colour: [1, 1, 1], second: [0, 0, 0], scaleM: 1, grain: 0, roughness: 0.5, bias: 0.5, speckle: 0, dirt: 0, gloss: 0, seed: 0 } as const;
  expect(boundsOf({ kind: 'cone', centre: [0, 0, 0], radius: 1, height: 4, material })).toEqual({ half: [1, 2, 1], offsetY: -2 });
});
