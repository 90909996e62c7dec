/**
 * What a rendered scene is made of. The world's axes are those of an upright camera at the left eye: x to the right, y down, z ahead, metres.
 */

export type Vector = readonly [x: number, y: number, z: number];

/** Red, green, blue, 0 to 1, linear light. */
export type Colour = readonly [r: number, g: number, b: number];

export type Pattern = 'plain' | 'noise' | 'stripes' | 'checks' | 'bricks' | 'windows' | 'planks' | 'leaves' | 'road';

/** What a surface looks like. Textures are solid: they depend on where a point is in its thing, in metres. */
export interface Material {
  readonly pattern: Pattern;
  readonly colour: Colour;
  /** The other colour of the pattern. */
  readonly second: Colour;
  /** Size of the pattern's repeat, or of the coarsest noise, metres. */
  readonly scaleM: number;
  /** How much noise is laid over the pattern, 0 to 1. */
  readonly grain: number;
  /** Strength of each finer noise to the coarser one before it, 0 to 1, 1 excluded: what is left to be seen from near. */
  readonly roughness: number;
  /** Where the noise between both colours has its middle, 0 to 1, both excluded: below a half there is more of the first. */
  readonly bias: number;
  /** Share of the places that have a speck: gravel, rust, fallen leaves. */
  readonly speckle: number;
  /** How much light stains take, 0 to 1. */
  readonly dirt: number;
  /** How much of the light is mirrored, 0 to 1: what is mirrored lies elsewhere for each eye. */
  readonly gloss: number;
  /** Chooses the noise. */
  readonly seed: number;
}

interface Placed {
  readonly centre: Vector;
  readonly material: Material;
  /** Share of a leafy surface that isn't seen through, 0 to 1; 1 where absent. */
  readonly density?: number;
}

/** Turned about the vertical axis by `yaw`, then (held-out shapes) tilted about its own x axis, radians. */
interface Turned {
  readonly yaw: number;
  readonly tilt?: number;
}

export type Solid =
  | ({ readonly kind: 'box'; readonly half: Vector } & Placed & Turned)
  | ({ readonly kind: 'ellipsoid'; readonly radii: Vector } & Placed & Turned)
  /** Upright. */
  | ({ readonly kind: 'cylinder'; readonly radius: number; readonly halfHeight: number } & Placed)
  /** Upright, its tip above; `centre` is the middle of its base. */
  | ({ readonly kind: 'cone'; readonly radius: number; readonly height: number } & Placed);

export interface Scene {
  readonly solids: readonly Solid[];
  readonly ground: Material;
  /** Of the ground below the left eye, metres. */
  readonly groundM: number;
  /** Towards the sun, of length 1. */
  readonly sun: Vector;
  /** Light from everywhere and from the sun, 0 to about 1. */
  readonly ambient: number;
  readonly direct: number;
  readonly sky: { readonly zenith: Colour; readonly horizon: Colour; readonly clouds: number; readonly seed: number };
  /** Of the cameras, radians: nose down and clockwise are above 0. */
  readonly pitch: number;
  readonly roll: number;
}
