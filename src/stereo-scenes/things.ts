import type { SeededRandom } from '../core/seeded-random.js';
import type { Colour, Material, Pattern, Solid } from './scene.js';

/** Stands on the ground at `x`, `z`; all lengths in metres, multiplied by `scale` (a room's things seen by a small rig). */
export interface Place {
  readonly x: number;
  readonly z: number;
  readonly groundM: number;
  readonly scale: number;
}

export type Thing = (place: Place, random: SeededRandom) => Solid[];

const GREYS: readonly Colour[] = [
  [0.5, 0.48, 0.45],
  [0.3, 0.3, 0.32],
  [0.65, 0.63, 0.6],
  [0.2, 0.2, 0.2],
];
const GREENS: readonly Colour[] = [
  [0.12, 0.25, 0.06],
  [0.2, 0.3, 0.08],
  [0.08, 0.18, 0.05],
  [0.28, 0.3, 0.1],
];

export function anyColour(random: SeededRandom): Colour {
  const light = random.uniform(0.08, 0.8);
  const mix = () => Math.max(0.02, light * random.uniform(0.4, 1.3));
  return [mix(), mix(), mix()];
}

export function material(random: SeededRandom, pattern: Pattern, given: Partial<Material> = {}): Material {
  // One in four is bare of everything but its pattern: plain ones have no texture at all, others repeat exactly.
  const isBare = random.chance(0.25);
  return {
    pattern,
    colour: anyColour(random),
    second: anyColour(random),
    scaleM: random.uniform(0.1, 0.6),
    grain: isBare ? 0 : random.uniform(0.05, 0.6),
    roughness: random.uniform(0.5, 0.92),
    bias: random.uniform(0.25, 0.75),
    speckle: !isBare && random.chance(0.3) ? random.uniform(0.05, 0.6) : 0,
    dirt: !isBare && random.chance(0.4) ? random.uniform(0.1, 0.7) : 0,
    gloss: 0,
    seed: random.integer(1e6),
    ...given,
  };
}

const ANY_PATTERNS: readonly Pattern[] = ['plain', 'plain', 'noise', 'noise', 'noise', 'stripes', 'checks', 'bricks', 'planks'];

export function anyMaterial(random: SeededRandom, scale = 1): Material {
  const made = material(random, pick(random, ANY_PATTERNS), { gloss: random.chance(0.15) ? random.uniform(0.1, 0.5) : 0 });
  return { ...made, scaleM: made.scaleM * scale };
}

export function pick<T>(random: SeededRandom, values: readonly T[]): T {
  return values[random.integer(values.length)]!;
}

const yawOf = (random: SeededRandom) => random.uniform(-Math.PI, Math.PI);

export const crate: Thing = ({ x, z, groundM, scale }, random) => {
  const half: [number, number, number] = [scale * random.uniform(0.15, 1), scale * random.uniform(0.15, 0.9), scale * random.uniform(0.15, 1)];
  return [{ kind: 'box', centre: [x, groundM - half[1], z], half, yaw: yawOf(random), material: anyMaterial(random, scale) }];
};

export const barrel: Thing = ({ x, z, groundM, scale }, random) => {
  const halfHeight = scale * random.uniform(0.3, 0.8);
  return [{ kind: 'cylinder', centre: [x, groundM - halfHeight, z], radius: scale * random.uniform(0.2, 0.5), halfHeight, material: anyMaterial(random, scale) }];
};

export const pole: Thing = ({ x, z, groundM, scale }, random) => {
  const halfHeight = scale * random.uniform(1, 3.5);
  const paint = material(random, random.chance(0.6) ? 'plain' : 'stripes', { scaleM: scale * random.uniform(0.2, 0.6) });
  const radius = scale * random.uniform(0.04, 0.15);
  const post: Solid = { kind: 'cylinder', centre: [x, groundM - halfHeight, z], radius, halfHeight, material: paint };
  if (!random.chance(0.5)) return [post];
  const half: [number, number, number] = [scale * random.uniform(0.2, 0.5), scale * random.uniform(0.2, 0.5), scale * 0.02];
  return [post, { kind: 'box', centre: [x, groundM - 2 * halfHeight + half[1], z - radius - half[2]], half, yaw: random.uniform(-0.2, 0.2), material: anyMaterial(random, scale) }];
};

export const person: Thing = ({ x, z, groundM, scale }, random) => {
  const tall = scale * random.uniform(1.2, 1.95);
  const yaw = yawOf(random);
  const cloth = material(random, pick(random, ['plain', 'noise', 'stripes', 'checks']), { scaleM: tall * random.uniform(0.04, 0.2) });
  const trousers = material(random, pick(random, ['plain', 'noise']), { scaleM: tall * 0.1 });
  const skin = material(random, 'plain', { colour: [random.uniform(0.2, 0.7), random.uniform(0.15, 0.5), random.uniform(0.1, 0.4)], grain: 0.1, scaleM: tall * 0.05 });
  const step = tall * random.uniform(0.04, 0.14);
  const [sx, sz] = [Math.cos(yaw) * step, -Math.sin(yaw) * step];
  const leg = (side: number): Solid => ({ kind: 'cylinder', centre: [x + side * sx, groundM - 0.24 * tall, z + side * sz], radius: 0.05 * tall, halfHeight: 0.24 * tall, material: trousers });
  const arm = (side: number): Solid => ({ kind: 'ellipsoid', centre: [x + side * Math.cos(yaw) * 0.15 * tall, groundM - 0.63 * tall, z - side * Math.sin(yaw) * 0.15 * tall], radii: [0.04 * tall, 0.19 * tall, 0.04 * tall], yaw, material: cloth });
  return [
    leg(-1),
    leg(1),
    { kind: 'ellipsoid', centre: [x, groundM - 0.65 * tall, z], radii: [0.13 * tall, 0.22 * tall, 0.08 * tall], yaw, material: cloth },
    arm(-1),
    arm(1),
    { kind: 'ellipsoid', centre: [x, groundM - 0.93 * tall, z], radii: [0.055 * tall, 0.075 * tall, 0.06 * tall], yaw, material: skin },
  ];
};

export const tree: Thing = ({ x, z, groundM, scale }, random) => {
  const trunkM = scale * random.uniform(0.8, 2.5);
  const crownM = scale * random.uniform(0.7, 2.2);
  const bark = material(random, 'noise', { colour: [0.2, 0.14, 0.09], second: [0.35, 0.28, 0.2], scaleM: scale * 0.2, grain: 0.5 });
  const leaves = foliage(random, scale * random.uniform(0.15, 0.4));
  const blobs = Array.from({ length: 1 + random.integer(4) }, (_, i): Solid => {
    const radius = crownM * random.uniform(0.5, 1);
    const off = i === 0 ? 0 : crownM * 0.6;
    return { kind: 'ellipsoid', centre: [x + random.uniform(-off, off), groundM - 2 * trunkM + random.uniform(-off, 0.3 * off), z + random.uniform(-off, off)], radii: [radius, radius * random.uniform(0.7, 1.3), radius], yaw: 0, density: random.uniform(0.5, 1), material: leaves };
  });
  return [{ kind: 'cylinder', centre: [x, groundM - trunkM, z], radius: scale * random.uniform(0.07, 0.3), halfHeight: trunkM, material: bark }, ...blobs];
};

export const bush: Thing = ({ x, z, groundM, scale }, random) => {
  const radius = scale * random.uniform(0.3, 1.1);
  return [{ kind: 'ellipsoid', centre: [x, groundM - 0.6 * radius, z], radii: [radius, 0.8 * radius, radius * random.uniform(0.7, 1.3)], yaw: 0, density: random.uniform(0.6, 1), material: foliage(random, scale * 0.2) }];
};

export const rock: Thing = ({ x, z, groundM, scale }, random) => {
  const radii: [number, number, number] = [scale * random.uniform(0.2, 1.2), scale * random.uniform(0.15, 0.7), scale * random.uniform(0.2, 1.2)];
  return [{ kind: 'ellipsoid', centre: [x, groundM - 0.5 * radii[1], z], radii, yaw: yawOf(random), material: material(random, 'noise', { colour: pick(random, GREYS), second: pick(random, GREYS), scaleM: scale * 0.4, grain: 0.5 }) }];
};

export const car: Thing = ({ x, z, groundM, scale }, random) => {
  const yaw = random.chance(0.7) ? random.uniform(-0.15, 0.15) : yawOf(random);
  const [width, length] = [scale * random.uniform(0.75, 1), scale * random.uniform(1.7, 2.6)];
  const isVan = random.chance(0.25);
  const paint = material(random, 'plain', { gloss: random.uniform(0.05, 0.3), grain: 0.05 });
  const glass = material(random, 'plain', { colour: [0.06, 0.07, 0.08], gloss: random.uniform(0.3, 0.6), grain: 0 });
  const tyre = material(random, 'plain', { colour: [0.05, 0.05, 0.05] });
  const at = (along: number, across: number): [number, number] => [x + Math.cos(yaw) * across + Math.sin(yaw) * along, z - Math.sin(yaw) * across + Math.cos(yaw) * along];
  const bodyHalfM = scale * (isVan ? random.uniform(0.8, 1) : random.uniform(0.33, 0.45));
  const clearM = scale * 0.22;
  const solids: Solid[] = [{ kind: 'box', centre: [x, groundM - clearM - bodyHalfM, z], half: [width, bodyHalfM, length], yaw, material: paint }];
  if (!isVan) {
    const [cx, cz] = at(-0.1 * length, 0);
    solids.push({ kind: 'box', centre: [cx, groundM - clearM - 2 * bodyHalfM - scale * 0.25, cz], half: [0.88 * width, scale * 0.27, 0.5 * length], yaw, material: glass });
    solids.push({ kind: 'box', centre: [cx, groundM - clearM - 2 * bodyHalfM - scale * 0.54, cz], half: [0.85 * width, scale * 0.03, 0.46 * length], yaw, material: paint });
  }
  for (const [along, across] of [[0.65, 0.9], [0.65, -0.9], [-0.65, 0.9], [-0.65, -0.9]] as const) {
    const [wx, wz] = at(along * length, across * width);
    solids.push({ kind: 'ellipsoid', centre: [wx, groundM - scale * 0.32, wz], radii: [scale * 0.12, scale * 0.32, scale * 0.32], yaw, material: tyre });
  }
  return solids;
};

export const fence: Thing = ({ x, z, groundM, scale }, random) => {
  const yaw = random.chance(0.5) ? random.uniform(-0.4, 0.4) : Math.PI / 2 + random.uniform(-0.3, 0.3);
  const paint = material(random, pick(random, ['plain', 'noise', 'planks']), { scaleM: scale * 0.2 });
  const tall = scale * random.uniform(0.4, 0.9);
  const gap = scale * random.uniform(0.12, 0.5);
  const count = 6 + random.integer(10);
  const at = (i: number): [number, number] => [x + Math.cos(yaw) * (i - count / 2) * gap, z - Math.sin(yaw) * (i - count / 2) * gap];
  const posts = Array.from({ length: count }, (_, i): Solid => {
    const [px, pz] = at(i);
    return { kind: 'box', centre: [px, groundM - tall, pz], half: [scale * 0.04, tall, scale * 0.03], yaw, material: paint };
  });
  const rails = [0.5, 1.6].map((height): Solid => ({ kind: 'box', centre: [x, groundM - tall * height, z], half: [(count * gap) / 2, scale * 0.035, scale * 0.02], yaw, material: paint }));
  return [...posts, ...rails];
};

export const table: Thing = ({ x, z, groundM, scale }, random) => {
  const yaw = yawOf(random);
  const wood = material(random, pick(random, ['plain', 'planks', 'noise']), { colour: [random.uniform(0.2, 0.6), random.uniform(0.15, 0.4), random.uniform(0.08, 0.3)], scaleM: scale * 0.25 });
  const [halfX, halfZ, tall] = [scale * random.uniform(0.3, 0.9), scale * random.uniform(0.3, 0.6), scale * random.uniform(0.4, 1)];
  const legs = [[1, 1], [1, -1], [-1, 1], [-1, -1]].map(([a, b]): Solid => {
    const [lx, lz] = [a! * 0.9 * halfX, b! * 0.9 * halfZ];
    return { kind: 'box', centre: [x + Math.cos(yaw) * lx + Math.sin(yaw) * lz, groundM - tall / 2, z - Math.sin(yaw) * lx + Math.cos(yaw) * lz], half: [scale * 0.03, tall / 2, scale * 0.03], yaw, material: wood };
  });
  const top: Solid = { kind: 'box', centre: [x, groundM - tall, z], half: [halfX, scale * 0.03, halfZ], yaw, material: wood };
  return [...legs, top, ...crate({ x, z, groundM: groundM - tall - scale * 0.03, scale: scale * 0.25 }, random)];
};

/** Shapes that training never sees: of the held-out sets alone. */
export const cone: Thing = ({ x, z, groundM, scale }, random) => {
  const radius = scale * random.uniform(0.15, 0.8);
  return [{ kind: 'cone', centre: [x, groundM, z], radius, height: radius * random.uniform(1.2, 3.5), material: anyMaterial(random, scale) }];
};

export const ramp: Thing = ({ x, z, groundM, scale }, random) => {
  const half: [number, number, number] = [scale * random.uniform(0.4, 1.2), scale * 0.08, scale * random.uniform(0.6, 1.8)];
  const tilt = random.uniform(0.25, 0.9);
  return [{ kind: 'box', centre: [x, groundM - half[2] * Math.sin(tilt), z], half, yaw: yawOf(random), tilt, material: anyMaterial(random, scale) }];
};

export const arch: Thing = ({ x, z, groundM, scale }, random) => {
  const paint = anyMaterial(random, scale);
  const [span, tall, thick] = [scale * random.uniform(0.6, 1.6), scale * random.uniform(1, 2.2), scale * random.uniform(0.1, 0.25)];
  const yaw = random.uniform(-0.6, 0.6);
  const post = (side: number): Solid => ({ kind: 'cylinder', centre: [x + side * Math.cos(yaw) * span, groundM - tall / 2, z - side * Math.sin(yaw) * span], radius: thick, halfHeight: tall / 2, material: paint });
  return [post(-1), post(1), { kind: 'box', centre: [x, groundM - tall, z], half: [span + thick, thick, thick], yaw, material: paint }];
};

function foliage(random: SeededRandom, scaleM: number): Material {
  return material(random, 'leaves', { colour: pick(random, GREENS), second: pick(random, GREENS), scaleM, grain: random.uniform(0.4, 0.8), roughness: random.uniform(0.75, 0.93), speckle: random.uniform(0.2, 0.8) });
}
