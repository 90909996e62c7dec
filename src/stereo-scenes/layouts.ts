import type { SeededRandom } from '../core/seeded-random.js';
import type { Colour, Scene, Solid, Vector } from './scene.js';
import { anyMaterial, arch, barrel, bush, car, cone, crate, fence, material, person, pick, pole, ramp, rock, table, type Thing, tree } from './things.js';

export const LAYOUTS = ['road', 'field', 'yard', 'room', 'clutter'] as const;
export type Layout = (typeof LAYOUTS)[number];

export interface LayoutOptions {
  /** How far the rig is to see, metres: what a room or a street is measured by. */
  readonly rangeM: number;
  /** Focal length of the rig, of the picture's width: a narrow picture needs smaller things to hold several. */
  readonly focalShare: number;
  /** Of the left eye over the ground, metres. */
  readonly heightM: number;
  /** Shapes that training never sees are among the things. */
  readonly isHeldOut: boolean;
}

const HELD_OUT: readonly Thing[] = [cone, ramp, arch];
/** A scene of 32 m has things of their real size; smaller ones have smaller things, but not in proportion. */
const FULL_RANGE_M = 32;
/** Focal length over width up to which things keep their size. */
const NARROW_SHARE = 1.2;

export function layOut(layout: Layout, options: LayoutOptions, random: SeededRandom): Scene {
  const scale = Math.sqrt(options.rangeM / FULL_RANGE_M) * Math.min(1, NARROW_SHARE / options.focalShare) ** 2;
  const make = { road, field, yard, room, clutter }[layout];
  const { solids, ground } = make({ ...options, scale }, random);
  return {
    solids,
    ground,
    groundM: options.heightM,
    sun: sunOf(random),
    ambient: random.uniform(0.25, 0.6),
    direct: random.chance(0.3) ? random.uniform(0, 0.2) : random.uniform(0.3, 0.9),
    sky: skyOf(random),
    pitch: random.uniform(-0.06, 0.1),
    roll: random.normal() * 0.01,
  };
}

interface Laying extends LayoutOptions {
  readonly scale: number;
}

type Made = Pick<Scene, 'solids' | 'ground'>;

function road({ rangeM, heightM, scale, isHeldOut }: Laying, random: SeededRandom): Made {
  const laneM = scale * random.uniform(2.6, 3.6);
  const asphalt: Colour = [random.uniform(0.1, 0.35), random.uniform(0.1, 0.35), random.uniform(0.1, 0.35)];
  const grey = (asphalt[0] + asphalt[1] + asphalt[2]) / 3;
  const ground = material(random, 'road', { colour: [grey, grey, grey * random.uniform(0.9, 1.1)], second: [0.7, 0.7, 0.65], scaleM: laneM, grain: random.uniform(0.05, 0.5) });
  const solids: Solid[] = [];
  for (const side of [-1, 1]) {
    solids.push(...wallOfHouses(side, laneM * random.uniform(1.3, 2.5) + scale, rangeM, heightM, scale, random));
    solids.push(...alongside([tree, pole, pole, person, bush, fence, car, ...extras(isHeldOut)], side * laneM * random.uniform(1.05, 1.3), rangeM, heightM, scale, random));
  }
  return { ground, solids: [...solids, ...scatter([car, car, person, crate, barrel, pole, ...extras(isHeldOut)], 1 + random.integer(6), rangeM, heightM, scale, 0.35, random)] };
}

function field({ rangeM, heightM, scale, isHeldOut }: Laying, random: SeededRandom): Made {
  const ground = material(random, 'noise', { colour: [0.15, 0.25, 0.07], second: pick(random, [[0.3, 0.3, 0.12], [0.35, 0.27, 0.15], [0.1, 0.16, 0.05]]), scaleM: scale * random.uniform(0.3, 1.5), grain: random.uniform(0.2, 0.7) });
  return { ground, solids: scatter([tree, tree, bush, bush, rock, rock, person, fence, pole, barrel, car, ...extras(isHeldOut)], 8 + random.integer(14), rangeM, heightM, scale, 1, random) };
}

/** Walls at any angle, some of one colour and some that repeat exactly, and rows of fences: what matching by windows does worst. */
function yard({ rangeM, heightM, scale, isHeldOut }: Laying, random: SeededRandom): Made {
  const walls = Array.from({ length: 1 + random.integer(4) }, (): Solid => {
    const half: Vector = [rangeM * random.uniform(0.08, 0.5), scale * random.uniform(0.4, 2.5), scale * 0.12];
    const z = rangeM * random.uniform(0.3, 1.1);
    const front = material(random, pick(random, ['plain', 'plain', 'bricks', 'planks', 'stripes', 'windows', 'noise']), { scaleM: scale * random.uniform(0.15, 1.2) });
    return { kind: 'box', centre: [z * random.uniform(-0.5, 0.5), heightM - half[1], z], half, yaw: random.uniform(-1.2, 1.2), material: front };
  });
  const fences = scatter([fence], 1 + random.integer(5), rangeM, heightM, scale, 0.8, random);
  const things = scatter([crate, barrel, person, pole, bush, car, table, ...extras(isHeldOut)], random.integer(8), rangeM, heightM, scale, 0.6, random);
  return { ground: anyMaterial(random, scale * random.uniform(0.3, 2)), solids: [...walls, ...fences, ...things] };
}

function room({ rangeM, heightM, scale, isHeldOut }: Laying, random: SeededRandom): Made {
  const farM = rangeM * random.uniform(0.35, 0.95);
  const sideM = rangeM * random.uniform(0.15, 0.4);
  const tallM = heightM + scale * random.uniform(1.2, 3);
  const wall = (): Solid['material'] => material(random, pick(random, ['plain', 'plain', 'noise', 'bricks', 'stripes', 'planks']), { scaleM: scale * random.uniform(0.3, 1.2), grain: random.chance(0.5) ? 0.02 : random.uniform(0.05, 0.4) });
  const thick = 0.1;
  const middle = heightM - tallM / 2;
  const walls: Solid[] = [
    { kind: 'box', centre: [0, middle, farM + thick], half: [sideM * 1.5, tallM / 2, thick], yaw: random.uniform(-0.1, 0.1), material: wall() },
    { kind: 'box', centre: [-sideM, middle, farM / 2], half: [thick, tallM / 2, farM], yaw: random.uniform(-0.08, 0.08), material: wall() },
    { kind: 'box', centre: [sideM, middle, farM / 2], half: [thick, tallM / 2, farM], yaw: random.uniform(-0.08, 0.08), material: wall() },
    { kind: 'box', centre: [0, heightM - tallM - thick, farM / 2], half: [sideM * 1.5, thick, farM], yaw: 0, material: wall() },
  ];
  const things = scatter([table, table, crate, crate, barrel, person, pole, ...extras(isHeldOut)], 3 + random.integer(9), Math.min(rangeM, farM), heightM, scale, sideM / rangeM, random);
  return { ground: anyMaterial(random, scale), solids: [...walls, ...things] };
}

/** Things of all kinds and places, also in the air: nothing to be learnt by heart. */
function clutter({ rangeM, heightM, scale, isHeldOut }: Laying, random: SeededRandom): Made {
  const things = scatter([crate, barrel, rock, pole, table, bush, ...extras(isHeldOut)], 6 + random.integer(14), rangeM, heightM, scale, 0.7, random);
  const lifted = things.map((solid): Solid => (random.chance(0.3) ? { ...solid, centre: raise(solid.centre, random.uniform(0, 1.5) * heightM) } : solid));
  const back: Solid = { kind: 'box', centre: [0, 0, rangeM * random.uniform(0.6, 1.4)], half: [2 * rangeM, rangeM, 0.1], yaw: random.uniform(-0.4, 0.4), material: anyMaterial(random, 2 * scale) };
  return { ground: anyMaterial(random, scale), solids: random.chance(0.6) ? [back, ...lifted] : lifted };
}

function raise([x, y, z]: Vector, byM: number): Vector {
  return [x, y - byM, z];
}

function extras(isHeldOut: boolean): readonly Thing[] {
  return isHeldOut ? [...HELD_OUT, ...HELD_OUT] : [];
}

/** More of them near than far, as pictures show things; none right before the lens. */
function scatter(things: readonly Thing[], count: number, rangeM: number, groundM: number, scale: number, breadth: number, random: SeededRandom): Solid[] {
  return Array.from({ length: count }, () => {
    const z = rangeM * (0.09 + 0.95 * random.unit() ** 1.4);
    const x = z * random.uniform(-0.75, 0.75) * Math.max(breadth, 0.3) + rangeM * 0.1 * breadth * random.normal();
    return pick(random, things)({ x, z, groundM, scale }, random);
  }).flat();
}

/** A row of things at one side. */
function alongside(things: readonly Thing[], x: number, rangeM: number, groundM: number, scale: number, random: SeededRandom): Solid[] {
  const solids: Solid[] = [];
  for (let z = rangeM * random.uniform(0.1, 0.3); z < rangeM * 1.2; z += rangeM * random.uniform(0.06, 0.3)) {
    solids.push(...pick(random, things)({ x: x + scale * random.normal() * 0.3, z, groundM, scale }, random));
  }
  return solids;
}

function wallOfHouses(side: number, x: number, rangeM: number, groundM: number, scale: number, random: SeededRandom): Solid[] {
  if (random.chance(0.25)) return [];
  const solids: Solid[] = [];
  for (let z = 0; z < rangeM * 1.5; ) {
    const half: [number, number, number] = [scale * 2, scale * random.uniform(1.2, 6), rangeM * random.uniform(0.08, 0.25)];
    const front = material(random, pick(random, ['windows', 'windows', 'bricks', 'plain', 'noise']), { scaleM: scale * random.uniform(1, 2.5), gloss: 0 });
    if (random.chance(0.8)) solids.push({ kind: 'box', centre: [side * (x + half[0] + scale * random.uniform(0, 1)), groundM - half[1], z + half[2]], half, yaw: random.normal() * 0.03, material: front });
    z += 2 * half[2] + (random.chance(0.3) ? rangeM * 0.1 : 0);
  }
  return solids;
}

function sunOf(random: SeededRandom): Vector {
  const up = random.uniform(0.25, 0.95);
  const around = random.uniform(-Math.PI, Math.PI);
  const flat = Math.sqrt(1 - up * up);
  return [Math.cos(around) * flat, -up, Math.sin(around) * flat];
}

function skyOf(random: SeededRandom): Scene['sky'] {
  const isGrey = random.chance(0.4);
  const light = random.uniform(0.4, 1);
  const zenith: Colour = isGrey ? [light, light, light * 1.03] : [0.2 * light, 0.4 * light, 0.9 * light];
  return { zenith, horizon: isGrey ? zenith : [0.75 * light, 0.85 * light, light], clouds: random.chance(0.5) ? random.uniform(0.2, 0.9) : 0, seed: random.integer(1e6) };
}

