import { Color, DataTexture, DoubleSide, Float32BufferAttribute, GLSL3, InstancedBufferGeometry, Mesh, RGBAIntegerFormat, ShaderMaterial, UnsignedByteType, Vector3 } from './three.module.js';
import { heightSpanM, RAMPS } from './space-colors.js';

/** Of the coarsest level. */
const BLOCKS_A_SIDE = 8;
/** Cubes an instance: drawing in software costs about 30 us an instance, however small it is. */
const CUBES = 64;
/** Cells a row of the texture that holds their places. */
const ROW = 1024;
/** Of the unit cube, the faces toward positive x, y and z, four corners each; the shader turns them to where they are seen from, so that the other three are never drawn. */
const FACES = [
  [[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]],
  [[0, 1, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1]],
  [[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]],
];
const CORNERS = 4 * FACES.length;
/** Light on what looks aside, up or down, and ahead or back. */
const LIGHTS = [0.7, 1, 0.84];

const VERTEX = `
#define CUBES ${CUBES}
#define ROW ${ROW}
in vec2 place;
in float light;
in float axis;
in float cube;
uniform highp usampler2D cells;
uniform int count;
uniform float size;
uniform vec3 corner;
uniform float floorY;
uniform vec3 stops[6];
uniform float span;
uniform bool isByDistance;
out vec3 tint;
out vec2 onFace;
void main() {
  int index = gl_InstanceID * CUBES + int(cube);
  if (index >= count) {
    gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
    return;
  }
  uvec4 cell = texelFetch(cells, ivec2(index % ROW, index / ROW), 0);
  if ((cell.w >> uint(axis) & 1u) == 0u) {
    gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
    return;
  }
  vec3 middle = corner + (vec3(cell.xyz) + 0.5) * size * vec3(1.0, -1.0, -1.0);
  vec3 side = vec3(greaterThan(cameraPosition, middle)) * 2.0 - 1.0;
  vec3 at = middle + (position - 0.5) * side * size;
  float share = (isByDistance ? length(middle.xz) : middle.y - floorY) / span;
  float step = clamp(share, 0.0, 0.9999) * 5.0;
  int stop = int(step);
  tint = mix(stops[stop], stops[stop + 1], step - float(stop)) * light;
  onFace = place;
  gl_Position = projectionMatrix * viewMatrix * vec4(at, 1.0);
}`;
// Edges are dark lines of about a pixel; where a face takes only a few pixels there are none.
const FRAGMENT = `
in vec3 tint;
in vec2 onFace;
out vec4 color;
void main() {
  vec2 aPixel = max(fwidth(onFace), vec2(1e-5));
  vec2 toEdge = min(onFace, 1.0 - onFace) / aPixel;
  float edge = 1.0 - smoothstep(0.5, 1.5, min(toEdge.x, toEdge.y));
  float seen = 1.0 - smoothstep(0.06, 0.25, max(aPixel.x, aPixel.y));
  color = vec4(tint * (1.0 - 0.5 * edge * seen), 1.0);
}`;

/**
 * Occupied cells as instanced cubes, the place of each as bytes in a texture. They are kept block by block: only the blocks that changed are made anew,
 * the others are copied; cells and faces that lie between others are left out. The axes of the scene: x to the right, y up, z back.
 */
export class VoxelMesh {
  object;
  #geometry = new InstancedBufferGeometry();
  #material;
  /** Cells of each block, and what is drawn of them. */
  #blocks = new Map();
  #places = new Map();
  #occupied = new Uint8Array(0);
  #isStale = new Set();
  #key = '';
  #side = 0;
  #rows = 0;
  #count = 0;

  constructor() {
    const ofEach = (values) => Array.from({ length: CUBES }, () => values).flat();
    this.#geometry.setAttribute('position', new Float32BufferAttribute(ofEach(FACES.flat(2)), 3));
    this.#geometry.setAttribute('place', new Float32BufferAttribute(ofEach(FACES.flatMap(() => [0, 0, 1, 0, 0, 1, 1, 1])), 2));
    this.#geometry.setAttribute('light', new Float32BufferAttribute(ofEach(LIGHTS.flatMap((light) => [light, light, light, light])), 1));
    this.#geometry.setAttribute('axis', new Float32BufferAttribute(ofEach(FACES.flatMap((_, axis) => [axis, axis, axis, axis])), 1));
    this.#geometry.setAttribute('cube', new Float32BufferAttribute(Array.from({ length: CUBES * CORNERS }, (_, i) => Math.floor(i / CORNERS)), 1));
    this.#geometry.setIndex(Array.from({ length: CUBES * FACES.length }, (_, face) => [0, 1, 2, 2, 1, 3].map((at) => 4 * face + at)).flat());
    this.#geometry.instanceCount = 0;
    this.#material = new ShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      side: DoubleSide,
      uniforms: { cells: { value: null }, count: { value: 0 }, size: { value: 1 }, corner: { value: new Vector3() }, floorY: { value: 0 }, stops: { value: stopsOf('height') }, span: { value: 1 }, isByDistance: { value: false } },
    });
    this.object = new Mesh(this.#geometry, this.#material);
    // Its bounds are those of the cube, which is always in view or around the eye.
    this.object.frustumCulled = false;
  }

  get count() {
    return this.#count;
  }

  /** @param {'height' | 'distance'} name */
  colorBy(name, rangeM) {
    const { uniforms } = this.#material;
    uniforms.stops.value = stopsOf(name);
    uniforms.isByDistance.value = name === 'distance';
    uniforms.span.value = name === 'distance' ? rangeM : heightSpanM(rangeM);
  }

  /** Which cube the cells are of. Another one than before has no cells yet. @returns whether it is another one */
  setGrid({ range_m: rangeM, bottom_m: bottomM }, side) {
    const key = `${rangeM} ${bottomM} ${side}`;
    if (key === this.#key) return false;
    this.#key = key;
    this.#side = side;
    this.#blocks.clear();
    this.#places.clear();
    this.#isStale.clear();
    this.#occupied = new Uint8Array(side ** 3);
    const { uniforms } = this.#material;
    uniforms.size.value = rangeM / side;
    uniforms.corner.value.set(-rangeM / 2, rangeM - bottomM, 0);
    uniforms.floorY.value = -bottomM;
    return true;
  }

  /** The cells of one block: `x + side * (y + side * z)` in the whole cube. */
  setBlock(block, cells) {
    const before = this.#blocks.get(block) ?? [];
    if (before.length === cells.length && before.every((cell, i) => cell === cells[i])) return;
    for (const cell of before) this.#occupied[cell] = 0;
    for (const cell of cells) this.#occupied[cell] = 1;
    if (cells.length === 0) this.#blocks.delete(block);
    else this.#blocks.set(block, cells);
    // What lies beside it may be seen now, or not any more.
    for (const stale of [block, ...neighboursOf(block)]) this.#isStale.add(stale);
  }

  /** Brings the blocks to the graphics card. */
  commit() {
    for (const block of this.#isStale) this.#places.set(block, this.#seenPlaces(this.#blocks.get(block) ?? []));
    this.#isStale.clear();
    let count = 0;
    for (const places of this.#places.values()) count += places.length / 4;
    const texture = this.#textureFor(count);
    let at = 0;
    for (const places of this.#places.values()) {
      texture.image.data.set(places, at);
      at += places.length;
    }
    texture.needsUpdate = true;
    this.#geometry.instanceCount = Math.ceil(count / CUBES);
    this.#material.uniforms.count.value = count;
    this.#count = 0;
    for (const cells of this.#blocks.values()) this.#count += cells.length;
  }

  /** Four bytes for each cell that shows a side: x, y, z, and a bit for each axis along which it does. */
  #seenPlaces(cells) {
    const side = this.#side;
    const occupied = this.#occupied;
    const places = new Uint8Array(4 * cells.length);
    let length = 0;
    for (const cell of cells) {
      const x = cell % side;
      const y = Math.floor(cell / side) % side;
      const z = Math.floor(cell / (side * side));
      const isHidden = (place, step) => place > 0 && place < side - 1 && occupied[cell - step] === 1 && occupied[cell + step] === 1;
      const seen = (isHidden(x, 1) ? 0 : 1) | (isHidden(y, side) ? 0 : 2) | (isHidden(z, side * side) ? 0 : 4);
      if (seen === 0) continue;
      places[length] = x;
      places[length + 1] = y;
      places[length + 2] = z;
      places[length + 3] = seen;
      length += 4;
    }
    return places.subarray(0, length);
  }

  #textureFor(count) {
    const { cells } = this.#material.uniforms;
    const rows = Math.ceil(count / ROW);
    if (cells.value && rows <= this.#rows) return cells.value;
    cells.value?.dispose();
    this.#rows = 2 ** Math.ceil(Math.log2(Math.max(1, rows)));
    cells.value = new DataTexture(new Uint8Array(4 * ROW * this.#rows), ROW, this.#rows, RGBAIntegerFormat, UnsignedByteType);
    cells.value.internalFormat = 'RGBA8UI';
    return cells.value;
  }
}

/** Blocks that share a face with one. */
function neighboursOf(block) {
  return [1, BLOCKS_A_SIDE, BLOCKS_A_SIDE ** 2].flatMap((step) => {
    const place = Math.floor(block / step) % BLOCKS_A_SIDE;
    return [...(place > 0 ? [block - step] : []), ...(place < BLOCKS_A_SIDE - 1 ? [block + step] : [])];
  });
}

/** As they are on the screen: the shader's colours are not converted. */
function stopsOf(name) {
  return RAMPS[name].map((hex) => {
    const { r, g, b } = new Color().setStyle(hex).convertLinearToSRGB();
    return new Vector3(r, g, b);
  });
}

