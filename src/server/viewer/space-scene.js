import { BufferGeometry, CanvasTexture, Color, DoubleSide, Float32BufferAttribute, Group, LineBasicMaterial, LineSegments, Mesh, MeshBasicMaterial, PerspectiveCamera, Scene, Spherical, Sprite, SpriteMaterial, Vector3, WebGLRenderer } from './three.module.js';
import { OrbitControls } from './OrbitControls.js';
import { nearColor } from './space-colors.js';
import { VoxelMesh } from './voxel-mesh.js';

const FIELD_OF_VIEW_DEG = 46;
/** Points of an arc, a sector. */
const ARC_STEPS = 6;
/** Steps between lines on the ground that are easy to read, metres. */
const GRID_STEPS_M = [0.25, 0.5, 1, 2, 5, 10, 20, 50];
const KEY_TURN = Math.PI / 24;
const LABEL_PX = 15;

/** Where one looks from, and to: x, y, z in ranges of the cube, y from its lower face. */
const VIEWS = {
  behind: { eye: [0, 0.27, 0.22], target: [0, 0.02, -0.34] },
  above: { eye: [0, 1.25, -0.47], target: [0, 0, -0.471] },
  side: { eye: [-0.85, 0.3, -0.1], target: [0, 0.02, -0.42] },
};

/**
 * Occupied space to look at: cubes, a ground with metres, the rig with what it sees, obstacles by direction, and boxes of detections.
 * Drawn only when something changed. Axes: x to the right, y up, z back, metres, from the left camera.
 */
export class SpaceScene {
  voxels = new VoxelMesh();
  #canvas;
  #renderer;
  #camera = new PerspectiveCamera(FIELD_OF_VIEW_DEG, 1, 0.1, 100);
  #controls;
  #scene = new Scene();
  #ground = new Group();
  #rig = new Group();
  #fan;
  #boxes;
  #labels = [];
  #rangeM = 0;
  #seesWith;
  #floorY = 0;
  #view = 'behind';
  #isDue = false;
  #isFast;

  /** @throws where there is no WebGL 2 */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#isFast = hasGraphicsCard();
    this.#renderer = new WebGLRenderer({ canvas, antialias: this.#isFast, alpha: true, powerPreference: 'low-power' });
    this.#renderer.setClearColor(0x000000, 0);
    this.#fan = new Mesh(new BufferGeometry(), new MeshBasicMaterial({ vertexColors: true, transparent: true, depthWrite: false, side: DoubleSide }));
    this.#boxes = new LineSegments(new BufferGeometry(), new LineBasicMaterial({ vertexColors: true, depthTest: false, transparent: true }));
    for (const object of [this.#fan, this.#boxes]) object.frustumCulled = false;
    this.#fan.renderOrder = 1;
    this.#boxes.renderOrder = 2;
    this.#scene.add(this.#ground, this.#rig, this.voxels.object, this.#fan, this.#boxes);
    this.#controls = this.#makeControls();
    new ResizeObserver(() => this.#resize()).observe(canvas);
    canvas.addEventListener('webglcontextrestored', () => this.invalidate());
  }

  /** The cube; where it is another one, one looks at it from behind the rig. */
  setGrid({ range_m: rangeM, bottom_m: bottomM }) {
    if (rangeM === this.#rangeM && -bottomM === this.#floorY) return;
    this.#rangeM = rangeM;
    this.#floorY = -bottomM;
    this.#camera.near = rangeM / 300;
    this.#camera.far = 6 * rangeM;
    this.#controls.minDistance = rangeM / 40;
    this.#controls.maxDistance = 2.5 * rangeM;
    this.#drawGround();
    this.look(this.#view);
  }

  setRig(rig) {
    if (rig === this.#seesWith) return;
    this.#seesWith = rig;
    this.#drawGround();
    clear(this.#rig);
    if (rig && this.#rangeM > 0) this.#rig.add(...rigLines(rig, this.#rangeM, this.#floorY));
    this.invalidate();
  }

  /** @param nearest of a message; undefined where nothing is known */
  setNearest(nearest, cellM) {
    const y = this.#floorY + 1.2 * Math.min(cellM, this.#rangeM / 16);
    setGeometry(this.#fan, fanOf(nearest, this.#rangeM, y));
  }

  /** @param {{middle: number[], size: number[], color: string}[]} boxes in the left camera's axes */
  setBoxes(boxes) {
    setGeometry(this.#boxes, boxLines(boxes));
    this.invalidate();
  }

  /** @param {'behind' | 'above' | 'side'} view */
  look(view) {
    this.#view = view;
    const place = (to, [x, y, z]) => to.set(x * this.#rangeM, this.#floorY + y * this.#rangeM, z * this.#rangeM);
    place(this.#controls.target, VIEWS[view].target);
    place(this.#camera.position, VIEWS[view].eye);
    this.#controls.update();
    this.invalidate();
  }

  /** Draws with the next picture of the screen. */
  invalidate() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      if (this.#controls.update()) this.invalidate();
      this.#renderer.render(this.#scene, this.#camera);
    });
  }

  #makeControls() {
    const controls = new OrbitControls(this.#camera, this.#canvas);
    controls.enableDamping = !matchMedia('(prefers-reduced-motion: reduce)').matches;
    controls.dampingFactor = 0.12;
    // Never from below the ground.
    controls.maxPolarAngle = 0.495 * Math.PI;
    controls.addEventListener('change', () => this.invalidate());
    // The wheel scrolls the page until one has chosen to look around.
    controls.enableZoom = false;
    this.#canvas.addEventListener('focus', () => (controls.enableZoom = true));
    this.#canvas.addEventListener('blur', () => (controls.enableZoom = false));
    this.#canvas.addEventListener('pointerdown', () => this.#canvas.focus({ preventScroll: true }), { capture: true });
    this.#canvas.addEventListener('keydown', (event) => this.#onKey(event));
    return controls;
  }

  #onKey(event) {
    const turns = { ArrowLeft: [-KEY_TURN, 0], ArrowRight: [KEY_TURN, 0], ArrowUp: [0, -KEY_TURN], ArrowDown: [0, KEY_TURN] };
    const zooms = { '+': 0.87, '=': 0.87, '-': 1.15 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in turns) this.#orbit(...turns[event.key], 1);
    else if (event.key in zooms) this.#orbit(0, 0, zooms[event.key]);
    else if (event.key === 'Home' || event.key === '0') this.look(this.#view);
    else return;
    event.preventDefault();
  }

  #orbit(turn, tilt, zoom) {
    const { target, minDistance, maxDistance, maxPolarAngle } = this.#controls;
    const around = new Spherical().setFromVector3(this.#camera.position.clone().sub(target));
    around.theta += turn;
    around.phi = Math.min(maxPolarAngle, Math.max(0.01, around.phi + tilt));
    around.radius = Math.min(maxDistance, Math.max(minDistance, around.radius * zoom));
    this.#camera.position.setFromSpherical(around).add(target);
    this.#controls.update();
    this.invalidate();
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0 || height === 0) return;
    this.#renderer.setPixelRatio(this.#isFast ? Math.min(devicePixelRatio, 2) : 1);
    this.#renderer.setSize(width, height, false);
    this.#camera.aspect = width / height;
    // A narrow view must still hold the width of the cube.
    this.#camera.fov = Math.min(80, FIELD_OF_VIEW_DEG * Math.max(1, 1.25 / this.#camera.aspect));
    this.#camera.updateProjectionMatrix();
    this.#scaleLabels();
    this.invalidate();
  }

  #drawGround() {
    clear(this.#ground);
    const stepM = GRID_STEPS_M.find((step) => step >= this.#rangeM / 8) ?? this.#rangeM / 4;
    this.#ground.add(groundLines(this.#rangeM, stepM, this.#floorY));
    this.#labels = [];
    // Beside what the left camera sees: there they are in view wherever one looks from.
    const slope = this.#seesWith ? (this.#seesWith.width - 0.5 - this.#seesWith.centre[0]) / this.#seesWith.focal_px : Infinity;
    for (let z = stepM; z <= this.#rangeM; z += stepM) this.#addLabel(`${z} m`, '#aab6c4', [Math.min(0.37 * this.#rangeM, slope * z) + this.#rangeM / 28, this.#floorY, -z]);
    const axis = this.#rangeM / 20;
    for (const [text, color, end] of [['x', '#ff8178', [axis, 0, 0]], ['y', '#7fdc9c', [0, -axis, 0]], ['z', '#7db4ff', [0, 0, -axis]]]) {
      this.#ground.add(lines([[0, 0, 0], end], color, 1));
      this.#addLabel(text, color, end.map((value) => value * 1.3));
    }
    this.#scaleLabels();
  }

  #addLabel(text, color, at) {
    const label = labelOf(text, color);
    label.position.set(...at);
    this.#ground.add(label);
    this.#labels.push(label);
  }

  /** The same size on the screen at every distance. */
  #scaleLabels() {
    const height = this.#canvas.clientHeight || 1;
    const unit = (2 * Math.tan((this.#camera.fov * Math.PI) / 360) * LABEL_PX) / height;
    for (const label of this.#labels) label.scale.set(unit * label.userData.aspect, unit, 1);
  }
}

/** Where the processor draws, smooth edges and fine screens cost more than they show. */
function hasGraphicsCard() {
  const context = document.createElement('canvas').getContext('webgl2', { failIfMajorPerformanceCaveat: true });
  context?.getExtension('WEBGL_lose_context')?.loseContext();
  return context !== null;
}

/** Lines on the lower face of the cube, and the way ahead a bit brighter. */
function groundLines(rangeM, stepM, floorY) {
  const points = [];
  for (let z = 0; z <= rangeM + 1e-6; z += stepM) points.push([-rangeM / 2, floorY, -z], [rangeM / 2, floorY, -z]);
  for (let x = 0; x <= rangeM / 2 + 1e-6; x += stepM) for (const side of x === 0 ? [0] : [-x, x]) points.push([side, floorY, 0], [side, floorY, -rangeM]);
  return lines(points, '#5b6b7d', 0.5);
}

/** Both cameras as pyramids, and on the ground where the left picture ends. */
function rigLines({ width, height, focal_px: fx, focal_y_px: fy, centre: [cx, cy], baseline_m: baselineM }, rangeM, floorY) {
  const ray = (u, v) => [(u - cx) / fx, -(v - cy) / fy, -1];
  const corners = [ray(-0.5, -0.5), ray(width - 0.5, -0.5), ray(width - 0.5, height - 0.5), ray(-0.5, height - 0.5)];
  const pyramid = (x, depthM) => corners.flatMap((corner, i) => {
    const at = ([a, b, c]) => [x + a * depthM, b * depthM, c * depthM];
    return [[x, 0, 0], at(corner), at(corner), at(corners[(i + 1) % 4])];
  });
  const edge = ([x]) => {
    const far = Math.min(rangeM, rangeM / 2 / Math.max(1e-6, Math.abs(x)));
    return [[0, floorY, 0], [x * far, floorY, -far]];
  };
  return [
    lines(pyramid(0, rangeM / 25), '#5fe0b8', 0.95),
    lines(pyramid(baselineM, rangeM / 25), '#93a0b0', 0.6),
    lines([[0, 0, 0], [baselineM, 0, 0]], '#eaeef3', 0.9),
    lines([...edge(corners[0]), ...edge(corners[1])], '#5fe0b8', 0.55),
  ];
}

/** Of each sector with an obstacle, the free ground before it and a band at its distance. */
function fanOf(nearest, rangeM, y) {
  const points = [];
  const colors = [];
  const add = (distanceM, azimuth, color, alpha) => {
    points.push(distanceM * Math.sin(azimuth), y, -distanceM * Math.cos(azimuth));
    colors.push(color.r, color.g, color.b, alpha);
  };
  const { from_deg: fromDeg, to_deg: toDeg, distance_m: distances } = nearest ?? { distance_m: [] };
  distances.forEach((distanceM, i) => {
    if (distanceM === null) return;
    const color = new Color(nearColor(distanceM, rangeM));
    const azimuthOf = (share) => ((fromDeg + ((toDeg - fromDeg) * (i + share)) / distances.length) * Math.PI) / 180;
    for (let step = 0; step < ARC_STEPS; step++) {
      const [a, b] = [azimuthOf(step / ARC_STEPS), azimuthOf((step + 1) / ARC_STEPS)];
      add(0, a, color, 0.02);
      add(distanceM, a, color, 0.26);
      add(distanceM, b, color, 0.26);
      const [inner, outer] = [distanceM - rangeM / 160, distanceM];
      for (const [radius, azimuth] of [[inner, a], [outer, a], [outer, b], [inner, a], [outer, b], [inner, b]]) add(radius, azimuth, color, 0.95);
    }
  });
  return { position: [points, 3], color: [colors, 4] };
}

const CUBE_EDGES = [[0, 1], [1, 3], [3, 2], [2, 0], [4, 5], [5, 7], [7, 6], [6, 4], [0, 4], [1, 5], [2, 6], [3, 7]].flat();

function boxLines(boxes) {
  const points = [];
  const colors = [];
  for (const { middle: [x, y, z], size: [width, height, depth], color } of boxes) {
    // The library reads numbers with commas only.
    const { r, g, b } = new Color(color.replaceAll(' ', ', '));
    for (const corner of CUBE_EDGES) {
      points.push(x + (corner & 1 ? width : -width) / 2, -y + (corner & 2 ? height : -height) / 2, -z + (corner & 4 ? depth : -depth) / 2);
      colors.push(r, g, b);
    }
  }
  return { position: [points, 3], color: [colors, 3] };
}

function lines(points, color, opacity) {
  const geometry = new BufferGeometry();
  geometry.setAttribute('position', new Float32BufferAttribute(points.flat(), 3));
  return new LineSegments(geometry, new LineBasicMaterial({ color, opacity, transparent: opacity < 1 }));
}

function labelOf(text, color) {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d');
  const font = "600 44px system-ui, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif";
  context.font = font;
  canvas.width = Math.ceil(context.measureText(text).width) + 12;
  canvas.height = 60;
  context.font = font;
  context.textBaseline = 'middle';
  context.fillStyle = color;
  context.fillText(text, 6, 32);
  const texture = new CanvasTexture(canvas);
  texture.colorSpace = 'srgb';
  const label = new Sprite(new SpriteMaterial({ map: texture, sizeAttenuation: false, depthTest: false, depthWrite: false }));
  label.renderOrder = 3;
  label.userData.aspect = canvas.width / canvas.height;
  return label;
}

function setGeometry(object, attributes) {
  object.geometry.dispose();
  object.geometry = new BufferGeometry();
  for (const [name, [values, size]] of Object.entries(attributes)) object.geometry.setAttribute(name, new Float32BufferAttribute(values, size));
}

function clear(group) {
  for (const child of [...group.children]) {
    group.remove(child);
    child.geometry.dispose();
    child.material.map?.dispose();
    child.material.dispose();
  }
}
