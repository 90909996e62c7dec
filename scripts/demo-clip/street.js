// The street of the demo clip: a scene that repeats exactly after PERIOD_S, seen by a fixed camera whose picture pans and zooms slowly.
// Everything that moves is a function of time alone, so that any frame can be drawn by itself and the clip loops without a seam.
// Metres; x to the right across the road, y up, z towards the camera. Traffic keeps right.
import * as THREE from 'three';
import { MTLLoader } from 'three/addons/loaders/MTLLoader.js';
import { OBJLoader } from 'three/addons/loaders/OBJLoader.js';
import { Sky } from 'three/addons/objects/Sky.js';
import { mergeVertices } from 'three/addons/utils/BufferGeometryUtils.js';

const PERIOD_S = 24;
const LANE_X = 1.9;
const KERB_X = 6.1;
const KERB_HEIGHT_M = 0.14;
const FACADE_X = 10.6;
const SUN = new THREE.Vector3(-0.62, 0.66, 0.5).normalize();

/** Folder of each model in the furniture package, and its longest horizontal side or, for people and plants, its height. */
const MODELS = {
  leon: { path: 'Scopia/scopia/seat_leon/seat_leon', lengthM: 4.2 },
  focus: { path: 'BlendSwap-CC-BY/blendswap-cc-by/fordFocus/fordFocus', lengthM: 4.36 },
  beetle: { path: 'KatorLegaz/katorlegaz/VW-new-beetle/VW-new-beetle', lengthM: 4.1 },
  scenic: { path: 'Scopia/scopia/renault-scenic/renault-scenic', lengthM: 4.26 },
  smart: { path: 'Scopia/scopia/smart-car/smart-car', lengthM: 2.53 },
  van: { path: 'Scopia/scopia/van/van', lengthM: 5.95 },
  truck: { path: 'Scopia/scopia/truck/truck', lengthM: 6.3 },
  coach: { path: 'Scopia/scopia/bus/bus', lengthM: 14 },
  cityBus: { path: 'Scopia/scopia/cityBus/cityBus', lengthM: 12.2 },
  motorcycle: { path: 'Scopia/scopia/yamaha-yzr-r6/yamaha-yzr-r6', lengthM: 2.03 },
  scooter: { path: 'Scopia/scopia/scooter2/scooter2', lengthM: 1.73 },
  bicycle: { path: 'Scopia/scopia/bicycle/bicycle', lengthM: 1.75 },
  dog: { path: 'Scopia/scopia/dog/dog', heightM: 0.75 },
  bench: { path: 'Scopia/scopia/wood_bank/wood_bank', lengthM: 2 },
  lamp: { path: 'Scopia/scopia/candelabre/candelabre', heightM: 6.6 },
  tree: { path: 'Scopia/scopia/ficusTree/ficusTree', heightM: 6.2 },
  hedge: { path: 'Scopia/scopia/hedgeTextured/hedgeTextured', lengthM: 2.4 },
  hydrant: { path: 'KatorLegaz/katorlegaz/fire-hydrant/fire-hydrant', heightM: 0.76 },
  bin: { path: 'KatorLegaz/katorlegaz/park-trashcan/park-trashcan', heightM: 0.86 },
  stroller: { path: 'Scopia/scopia/stroller/stroller', heightM: 1 },
  woman1: { path: 'Reallusion/reallusion/female01/female01', heightM: 1.66 },
  woman2: { path: 'Reallusion/reallusion/female02/female02', heightM: 1.68 },
  woman3: { path: 'Reallusion/reallusion/female03/female03', heightM: 1.63 },
  woman4: { path: 'Reallusion/reallusion/holdingFemale01/holdingFemale01', heightM: 1.67 },
  woman5: { path: 'Reallusion/reallusion/holdingFemale03/holdingFemale03', heightM: 1.66 },
  man1: { path: 'Reallusion/reallusion/male01/male01', heightM: 1.86 },
  man3: { path: 'Reallusion/reallusion/male03/male03', heightM: 1.84 },
  man4: { path: 'Reallusion/reallusion/holdingMale01/holdingMale01', heightM: 1.85 },
  suit: { path: 'KatorLegaz/katorlegaz/male-01-suit/male-01-suit', heightM: 1.85 },
  boy: { path: 'Reallusion/reallusion/boyStanding/boyStanding', heightM: 1.62 },
  girl: { path: 'Reallusion/reallusion/girlStanding/girlStanding', heightM: 1.56 },
};

const canvas = document.getElementById('view');
const scene = new THREE.Scene();
// What stands still is drawn once, wide; each frame draws what moves onto a window of that picture.
const still = new THREE.Group();
const moving = new THREE.Group();
scene.add(still, moving);
const WIDE = { width: 2048, height: 1152 };
const camera = new THREE.PerspectiveCamera(55, WIDE.width / WIDE.height, 0.5, 400);
let renderer;
let backdrop;
let lamp;
const movers = [];

// ---- materials -------------------------------------------------------------------------------------------------------------------

/** Deterministic noise: the same clip from every run. */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function paintedTexture(width, height, paint, repeatX = 1, repeatY = 1) {
  const board = document.createElement('canvas');
  board.width = width;
  board.height = height;
  paint(board.getContext('2d', { willReadFrequently: true }), width, height);
  const texture = new THREE.CanvasTexture(board);
  texture.colorSpace = THREE.SRGBColorSpace;
  texture.wrapS = texture.wrapT = THREE.RepeatWrapping;
  texture.repeat.set(repeatX, repeatY);
  texture.anisotropy = 8;
  return texture;
}

function speckled(base, spread, seed, density = 0.35) {
  return (g, width, height) => {
    g.fillStyle = `rgb(${base})`;
    g.fillRect(0, 0, width, height);
    const random = randomOf(seed);
    for (let i = 0; i < width * height * density; i++) {
      const light = random() > 0.5 ? 255 : 0;
      g.fillStyle = `rgba(${light},${light},${light},${random() * spread})`;
      const size = 1 + random() * 2;
      g.fillRect(random() * width, random() * height, size, size);
    }
  };
}

function paving(g, width, height) {
  speckled([158, 152, 144], 0.05, 7)(g, width, height);
  g.strokeStyle = 'rgba(70,66,60,0.55)';
  g.lineWidth = 2;
  for (let i = 0; i <= 4; i++) {
    g.strokeRect(0, (i * height) / 4, width, height / 4);
    for (let j = 0; j <= 2; j++) g.strokeRect(((j + (i % 2) / 2) * width) / 2, (i * height) / 4, width / 2, height / 4);
  }
}

/** A house front: windows above, shop windows with awnings at street level. */
function facade({ wall, trim, awning, floors, columns, seed }) {
  return (g, width, height) => {
    speckled(wall, 0.05, seed, 0.03)(g, width, height);
    const random = randomOf(seed);
    const shopHeight = height / (floors + 1.3) * 1.3;
    const floorHeight = (height - shopHeight) / floors;
    const columnWidth = width / columns;
    for (let floor = 0; floor < floors; floor++) {
      const top = floor * floorHeight;
      g.fillStyle = `rgb(${trim})`;
      g.fillRect(0, top, width, floorHeight * 0.05);
      for (let column = 0; column < columns; column++) {
        const x = column * columnWidth + columnWidth * 0.24;
        const w = columnWidth * 0.52;
        const y = top + floorHeight * 0.24;
        const h = floorHeight * 0.58;
        g.fillStyle = `rgb(${trim})`;
        g.fillRect(x - 7, y - 7, w + 14, h + 14);
        const glass = g.createLinearGradient(0, y, w * 0.4, y + h);
        const shade = 38 + random() * 46;
        glass.addColorStop(0, `rgb(${shade + 62},${shade + 78},${shade + 92})`);
        glass.addColorStop(1, `rgb(${shade},${shade + 8},${shade + 16})`);
        g.fillStyle = glass;
        g.fillRect(x, y, w, h);
        if (random() < 0.45) {
          g.fillStyle = 'rgba(232,226,212,0.75)';
          g.fillRect(x, y, w, h * (0.2 + random() * 0.5));
        }
        g.fillStyle = `rgb(${trim})`;
        g.fillRect(x + w / 2 - 2, y, 4, h);
        g.fillRect(x, y + h * 0.38, w, 4);
      }
    }
    shopFronts(g, { width, height, shopHeight, trim, awning, columns: Math.ceil(columns / 2), random });
  };
}

function shopFronts(g, { width, height, shopHeight, trim, awning, columns, random }) {
  const y = height - shopHeight;
  g.fillStyle = `rgb(${trim.map((c) => c * 0.55)})`;
  g.fillRect(0, y, width, shopHeight);
  const w = width / columns;
  for (let column = 0; column < columns; column++) {
    const x = column * w;
    const glass = g.createLinearGradient(x, y, x + w, height);
    glass.addColorStop(0, 'rgb(70,84,92)');
    glass.addColorStop(0.5, 'rgb(112,126,132)');
    glass.addColorStop(1, 'rgb(42,48,54)');
    g.fillStyle = glass;
    g.fillRect(x + w * 0.06, y + shopHeight * 0.3, w * 0.58, shopHeight * 0.6);
    g.fillStyle = 'rgb(52,44,38)';
    g.fillRect(x + w * 0.7, y + shopHeight * 0.28, w * 0.2, shopHeight * 0.72);
    for (let stripe = 0; stripe < 12; stripe++) {
      g.fillStyle = stripe % 2 || random() < 0.02 ? 'rgb(236,232,222)' : `rgb(${awning})`;
      g.fillRect(x + w * (0.03 + stripe * 0.052), y + shopHeight * 0.14, w * 0.053, shopHeight * 0.16);
    }
  }
}

/** The package's Phong materials as physical ones: varnish mirrors the sky, glass is dark and clear. */
function physical(material, tint, side) {
  const glass = material.opacity < 0.95 && !material.map;
  const shine = Math.min(1, (material.shininess ?? 0) / 120) * Math.max(...(material.specular?.toArray() ?? [0]));
  const made = new THREE.MeshStandardMaterial({
    name: material.name,
    color: material.color,
    map: material.map ?? null,
    side,
    roughness: glass ? 0.06 : THREE.MathUtils.clamp(0.85 - 0.6 * shine, 0.25, 0.9),
    metalness: 0.0,
    transparent: glass,
    opacity: glass ? Math.max(0.55, material.opacity) : 1,
    alphaTest: material.map ? 0.5 : 0,
  });
  if (glass) made.color.setRGB(0.03, 0.04, 0.05);
  if (tint && !material.map && isPaint(made.color)) made.color.set(tint);
  return made;
}

/** Body colour: what is neither grey, black nor white. */
function isPaint(color) {
  const { h: _hue, s, l } = color.getHSL({});
  return s > 0.35 && l > 0.06 && l < 0.75;
}

// ---- models ----------------------------------------------------------------------------------------------------------------------

const loaded = new Map();

async function load(name) {
  const { path, lengthM, heightM } = MODELS[name];
  const folder = `/models/${path.slice(0, path.lastIndexOf('/') + 1)}`;
  const file = path.slice(path.lastIndexOf('/') + 1);
  const materials = await new MTLLoader().setPath(folder).loadAsync(`${file}.mtl`);
  materials.preload();
  const object = await new OBJLoader().setMaterials(materials).setPath(folder).loadAsync(`${file}.obj`);
  object.traverse((part) => {
    if (part.isMesh) part.geometry = mergeVertices(part.geometry);
  });
  const box = new THREE.Box3().setFromObject(object);
  const size = box.getSize(new THREE.Vector3());
  const scale = heightM ? heightM / size.y : lengthM / Math.max(size.x, size.z);
  const centre = box.getCenter(new THREE.Vector3());
  object.position.set(-centre.x, -box.min.y, -centre.z);
  const group = new THREE.Group();
  group.add(object);
  group.scale.setScalar(scale);
  loaded.set(name, group);
}

/** A copy on the ground at (x, z), its front turned by `turn` radians from +z; `tint` repaints the body. */
function place(name, x, z, turn = 0, { y = 0, tint, stretch = 1, group = still } = {}) {
  // Leaves are single sheets. The rest is closed, and drawing is slow without a GPU.
  const side = group === moving ? THREE.FrontSide : THREE.DoubleSide;
  const holder = new THREE.Group();
  const copy = loaded.get(name).clone(true);
  copy.traverse((part) => {
    if (!part.isMesh) return;
    part.material = Array.isArray(part.material) ? part.material.map((m) => physical(m, tint, side)) : physical(part.material, tint, side);
    part.castShadow = true;
    part.receiveShadow = true;
  });
  holder.add(copy);
  holder.position.set(x, y, z);
  holder.rotation.y = turn;
  holder.scale.setScalar(stretch);
  group.add(holder);
  return holder;
}

/** Traffic: one vehicle after another on a lane, each back at the start after a period. */
function drive(list, laneX, direction, startZ) {
  const wayM = 10 * PERIOD_S; // 36 km/h
  list.forEach(([name, atM, tint]) => {
    const body = place(name, laneX, 0, direction > 0 ? 0 : Math.PI, { tint, group: moving });
    const shadow = catchShadow(body, MODELS[name].lengthM, 3);
    movers.push((timeS) => {
      const goneM = (atM + (timeS / PERIOD_S) * wayM) % wayM;
      body.position.z = startZ + direction * goneM;
      body.position.y = 0.008 * Math.sin(goneM * 1.7 + atM);
      body.visible = isInSight(body, 130);
      shadow();
    });
  });
}

/** False behind the camera, and farther than `rangeM`, where it would be a few pixels: drawing is slow without a GPU. */
function isInSight({ position }, rangeM) {
  return position.z < 16 && position.z > 13 - rangeM;
}

/**
 * People who walk along the pavement, one stride a second: copies a period's way apart, so that the picture repeats.
 * The legs swing around the hip (a shear of the vertices below it: enough at this distance).
 */
function walk(name, x, direction, startZ, copies, speedMps = 1.25) {
  const wayM = speedMps * PERIOD_S;
  for (let copy = 0; copy < copies; copy++) {
    const body = place(name, x, 0, direction > 0 ? 0 : Math.PI, { y: KERB_HEIGHT_M, group: moving });
    const legs = swingingLegs(body);
    const shadow = catchShadow(body, 1, 1.9, KERB_HEIGHT_M);
    movers.push((timeS) => {
      const phase = 2 * Math.PI * (timeS + copy * 0.37);
      body.position.z = startZ + direction * (copy * wayM + (timeS / PERIOD_S) * wayM);
      body.position.y = KERB_HEIGHT_M + 0.018 * Math.abs(Math.sin(phase));
      body.visible = isInSight(body, 48);
      if (body.visible) legs(phase);
      shadow();
    });
  }
}

function swingingLegs(body) {
  const parts = [];
  body.updateMatrixWorld(true);
  const box = new THREE.Box3().setFromObject(body);
  const heightM = box.max.y - box.min.y;
  const inverse = new THREE.Matrix4().copy(body.matrixWorld).invert();
  body.traverse((part) => {
    if (!part.isMesh) return;
    part.geometry = part.geometry.clone();
    const toBody = new THREE.Matrix4().multiplyMatrices(inverse, part.matrixWorld);
    const rest = part.geometry.attributes.position.clone().applyMatrix4(toBody);
    parts.push({ part, rest, toPart: toBody.clone().invert() });
  });
  const hipM = 0.5 * heightM;
  return (phase) => {
    for (const { part, rest, toPart } of parts) {
      const moved = rest.clone();
      for (let i = 0; i < rest.count; i++) {
        const y = rest.getY(i);
        if (y >= hipM) continue;
        const side = THREE.MathUtils.clamp(rest.getX(i) / 0.05, -1, 1);
        const swing = side * Math.sin(phase);
        const depth = (hipM - y) / hipM;
        const lift = Math.max(0, side * Math.cos(phase)) * 0.07 * depth * depth;
        moved.setZ(i, rest.getZ(i) + swing * 0.3 * depth);
        moved.setY(i, y + lift);
      }
      moved.applyMatrix4(toPart);
      part.geometry.attributes.position.array.set(moved.array);
      part.geometry.attributes.position.needsUpdate = true;
    }
  };
}

// ---- the street ------------------------------------------------------------------------------------------------------------------

function slab(width, depth, x, y, z, material, group = still) {
  const mesh = new THREE.Mesh(new THREE.PlaneGeometry(width, depth), material);
  mesh.rotation.x = -Math.PI / 2;
  mesh.position.set(x, y, z);
  mesh.receiveShadow = true;
  group.add(mesh);
  return mesh;
}

function ground() {
  const asphalt = new THREE.MeshStandardMaterial({ map: paintedTexture(512, 512, speckled([84, 84, 88], 0.07, 3), 4, 90), roughness: 0.95 });
  slab(2 * KERB_X, 360, 0, 0, -120, asphalt);
  const stones = new THREE.MeshStandardMaterial({ map: paintedTexture(256, 256, paving, 4, 300), roughness: 0.9 });
  const kerb = new THREE.MeshStandardMaterial({ color: 0xa8a49c, roughness: 0.9 });
  for (const side of [-1, 1]) {
    slab(FACADE_X - KERB_X, 360, side * (KERB_X + (FACADE_X - KERB_X) / 2), KERB_HEIGHT_M, -120, stones);
    const edge = new THREE.Mesh(new THREE.BoxGeometry(0.24, KERB_HEIGHT_M, 360), kerb);
    edge.position.set(side * (KERB_X + 0.06), KERB_HEIGHT_M / 2 + 0.005, -120);
    edge.receiveShadow = true;
    still.add(edge);
  }
  const grass = new THREE.MeshStandardMaterial({ map: paintedTexture(512, 512, speckled([88, 116, 58], 0.12, 5), 30, 60), roughness: 1 });
  slab(90, 360, -FACADE_X - 45, KERB_HEIGHT_M, -120, grass);
  marks();
}

/** A piece of invisible ground that goes with what moves and shows nothing but its shadow on the backdrop. */
function catchShadow(body, lengthM, heightM, groundY = 0) {
  const reachM = heightM * 0.95;
  const shade = new THREE.ShadowMaterial({ opacity: 0.5, polygonOffset: true, polygonOffsetFactor: -2, polygonOffsetUnits: -8 });
  const patch = slab(2.8 + reachM, lengthM + 1 + reachM, 0, 0, 0, shade, moving);
  return () => {
    patch.position.set(body.position.x + reachM / 2, groundY + 0.02, body.position.z - reachM / 2);
    patch.visible = body.visible;
  };
}

function marks() {
  const paint = new THREE.MeshStandardMaterial({ color: 0xdcdcd6, roughness: 0.8 });
  for (let z = 50; z > -240; z -= 6) slab(0.14, 3, 0, 0.012, z, paint);
  for (const side of [-1, 1]) slab(0.1, 360, side * 3.9, 0.012, -120, paint);
  for (let z = 44; z > -240; z -= 6.2) slab(2.1, 0.1, KERB_X - 1.1, 0.012, z, paint);
}

function houses() {
  const looks = [
    { wall: [196, 172, 138], trim: [228, 218, 198], awning: [150, 40, 38], floors: 3, columns: 6 },
    { wall: [150, 78, 58], trim: [214, 204, 188], awning: [36, 84, 60], floors: 4, columns: 5 },
    { wall: [206, 204, 196], trim: [146, 148, 150], awning: [40, 66, 110], floors: 3, columns: 7 },
    { wall: [176, 186, 180], trim: [236, 234, 226], awning: [176, 112, 30], floors: 4, columns: 6 },
    { wall: [210, 184, 120], trim: [240, 232, 212], awning: [96, 36, 70], floors: 3, columns: 5 },
  ];
  let z = 34;
  for (let i = 0; z > -230; i++) {
    const look = { ...looks[i % looks.length], seed: 11 + i };
    const widthM = look.columns * 2.7;
    const heightM = (look.floors + 1.3) * 3.1;
    const front = new THREE.MeshStandardMaterial({ map: paintedTexture(1024, 1024, facade(look)), roughness: 0.85 });
    const plain = new THREE.MeshStandardMaterial({ color: new THREE.Color(...look.wall.map((c) => c / 255)).convertSRGBToLinear(), roughness: 0.9 });
    const house = new THREE.Mesh(new THREE.BoxGeometry(12, heightM, widthM), [plain, front, plain, plain, plain, plain]);
    house.position.set(FACADE_X + 6, heightM / 2, z - widthM / 2);
    house.castShadow = house.receiveShadow = true;
    still.add(house);
    z -= widthM;
  }
  const far = new THREE.MeshStandardMaterial({ map: paintedTexture(1024, 1024, facade({ ...looks[1], floors: 6, columns: 14, seed: 99 })), roughness: 0.9 });
  const closing = new THREE.Mesh(new THREE.BoxGeometry(90, 26, 10), far);
  closing.position.set(-14, 13, -236);
  still.add(closing);
}

function furnish() {
  for (let i = 0; i < 9; i++) {
    place('lamp', KERB_X + 0.5, -2 - i * 22, -Math.PI / 2, { y: KERB_HEIGHT_M });
    if (i < 7) place('tree', -KERB_X - 1, -15 - i * 17, i * 1.3, { y: KERB_HEIGHT_M, stretch: 0.95 + 0.12 * Math.sin(i * 2.1) });
    if (i > 0 && i < 6) place('tree', KERB_X + 0.9, -13 - i * 22, i * 0.7, { y: KERB_HEIGHT_M, stretch: 0.8 });
  }
  for (let i = 0; i < 14; i++) place('hedge', -FACADE_X - 0.2, 6 - i * 2.35, Math.PI / 2, { y: KERB_HEIGHT_M });
  for (let i = 0; i < 4; i++) place('tree', -FACADE_X - 6 - (i % 3) * 4, -14 - i * 19, i, { y: KERB_HEIGHT_M, stretch: 1.4 });
  place('bench', -FACADE_X + 1, -9.5, Math.PI / 2, { y: KERB_HEIGHT_M });
  place('bin', -FACADE_X + 0.9, -12, 0, { y: KERB_HEIGHT_M });
  place('hydrant', KERB_X + 0.5, 1.6, 0, { y: KERB_HEIGHT_M });
  const parked = [['focus', 4.2], ['scenic', -2.2, '#6f7f8f'], ['beetle', -8.4, '#8f9aa3'], ['motorcycle', -12.6], ['scooter', -14.2], ['leon', -20.8, '#27508a'], ['smart', -27], ['focus', -33.2, '#8c2f28'], ['van', -39.6], ['leon', -51.8, '#3c3f44'], ['scenic', -58]];
  for (const [name, z, tint] of parked) place(name, KERB_X - 1.15, z, name === 'motorcycle' || name === 'scooter' ? Math.PI * 0.62 : Math.PI, { tint });
  place('bicycle', KERB_X + 0.75, -5.6, 0.05, { y: KERB_HEIGHT_M });
  place('bicycle', KERB_X + 1.25, -5.9, 0.1, { y: KERB_HEIGHT_M });
}

function people() {
  const stand = (name, x, z, turn) => place(name, x, z, turn, { y: KERB_HEIGHT_M });
  // Those who stand leave two lanes free on either pavement for those who walk.
  stand('woman1', 8.4, -0.7, -0.6);
  stand('man3', 9.1, -0.1, -1.5);
  stand('woman5', 8.7, -8.8, -0.9);
  stand('man4', 9.3, -9.5, 0.2);
  stand('dog', 8.3, -9.4, -0.4);
  stand('man1', 8.5, -17.5, -0.9);
  stand('woman2', 9.1, -17.2, -1.4);
  stand('woman3', 8.7, -29, -0.7);
  stand('woman4', -6.9, -7.2, 0.7);
  stand('boy', -7, -6, 0.9);
  stand('stroller', -6.5, -6.4, 0.8);
  stand('woman3', -6.9, -21, 0.4);
  stand('man4', -6.6, -21.8, 0.1);
  walk('suit', 10, 1, -66, 3);
  walk('girl', 7.7, -1, 14, 3);
  walk('girl', -8.9, 1, -80, 3);
  walk('suit', -7.9, -1, 8, 3, 1.3);
}

function traffic() {
  drive([['leon', 0], ['van', 30], ['beetle', 58], ['cityBus', 92], ['focus', 128], ['smart', 152], ['truck', 186], ['scenic', 216, '#b9b2a2']], LANE_X, -1, 44);
  drive([['focus', 12, '#7d1f24'], ['coach', 46], ['leon', 82, '#9aa1a8'], ['scenic', 110, '#41628c'], ['truck', 142], ['beetle', 176, '#b33a2b'], ['van', 204], ['smart', 228]], -LANE_X, 1, -196);
}

function light() {
  const sky = new Sky();
  sky.scale.setScalar(5000);
  const air = sky.material.uniforms;
  air.turbidity.value = 4;
  air.rayleigh.value = 1.1;
  air.mieCoefficient.value = 0.004;
  air.sunPosition.value.copy(SUN);
  const pmrem = new THREE.PMREMGenerator(renderer);
  const dome = new THREE.Scene();
  dome.add(sky);
  scene.environment = pmrem.fromScene(dome, 0, 0.1, 10000).texture;
  scene.environmentIntensity = 0.42;
  scene.background = new THREE.Color(0xb9cfe4);
  scene.fog = new THREE.Fog(0xb9cfe4, 70, 330);

  const sun = new THREE.DirectionalLight(0xfff1dc, 3.1);
  sun.position.copy(SUN).multiplyScalar(90).add(new THREE.Vector3(0, 0, -22));
  sun.target.position.set(0, 0, -22);
  sun.castShadow = true;
  sun.shadow.mapSize.set(4096, 4096);
  Object.assign(sun.shadow.camera, { left: -44, right: 44, top: 44, bottom: -44, near: 10, far: 190 });
  sun.shadow.bias = -0.0004;
  sun.shadow.normalBias = 0.03;
  lamp = sun;
  scene.add(sun, sun.target, new THREE.HemisphereLight(0xdbe8f6, 0x6f6a5c, 0.75));
}

// ---- frames ----------------------------------------------------------------------------------------------------------------------

/** Draws what stands still, with its depth, so that what moves can pass behind it. */
function drawBackdrop() {
  camera.position.set(-7.8, 5, 13);
  camera.lookAt(0.9, 0.6, -6);
  camera.updateMatrixWorld();
  const target = new THREE.WebGLRenderTarget(WIDE.width, WIDE.height, { type: THREE.HalfFloatType, samples: 4 });
  target.depthTexture = new THREE.DepthTexture(WIDE.width, WIDE.height, THREE.UnsignedIntType);
  moving.visible = false;
  renderer.setRenderTarget(target);
  renderer.render(scene, camera);
  renderer.setRenderTarget(null);
  still.visible = false;
  moving.visible = true;
  // Less is enough for what moves, and drawn with every frame.
  lamp.shadow.mapSize.set(2048, 2048);
  lamp.shadow.map.dispose();
  lamp.shadow.map = null;
  backdrop = new THREE.Mesh(
    new THREE.PlaneGeometry(2, 2),
    new THREE.ShaderMaterial({
      uniforms: { colour: { value: target.texture }, depth: { value: target.depthTexture }, part: { value: new THREE.Vector4() } },
      vertexShader: 'varying vec2 at; uniform vec4 part; void main() { at = part.xy + part.zw * (position.xy * 0.5 + 0.5); gl_Position = vec4(position.xy, 0.0, 1.0); }',
      fragmentShader: `varying vec2 at; uniform sampler2D colour; uniform sampler2D depth;
        void main() {
          gl_FragColor = vec4(texture2D(colour, at).rgb, 1.0);
          gl_FragDepth = texture2D(depth, at).r;
          #include <tonemapping_fragment>
          #include <colorspace_fragment>
        }`,
      depthFunc: THREE.AlwaysDepth,
    }),
  );
  backdrop.frustumCulled = false;
  backdrop.renderOrder = -1;
  scene.add(backdrop);
}

/** The window of the wide picture at `timeS`: to and fro with a touch of zoom; a period of a sine is its own easing. */
function aim(timeS, aspect) {
  const turn = (2 * Math.PI * timeS) / PERIOD_S;
  const width = 1330 + 90 * Math.cos(turn);
  const height = width / aspect;
  const x = (WIDE.width - width) / 2 + 150 * Math.sin(turn);
  const y = (WIDE.height - height) / 2 + 20;
  camera.setViewOffset(WIDE.width, WIDE.height, x, y, width, height);
  backdrop.material.uniforms.part.value.set(x / WIDE.width, 1 - (y + height) / WIDE.height, width / WIDE.width, height / WIDE.height);
}

window.prepare = async (width, height) => {
  renderer = new THREE.WebGLRenderer({ canvas, antialias: true, preserveDrawingBuffer: true });
  renderer.setSize(width, height);
  renderer.shadowMap.enabled = true;
  renderer.shadowMap.type = THREE.PCFShadowMap;
  renderer.toneMapping = THREE.ACESFilmicToneMapping;
  renderer.toneMappingExposure = 0.8;
  await Promise.all(Object.keys(MODELS).map(load));
  // Textures arrive after their models.
  await new Promise((done) => (THREE.DefaultLoadingManager.onLoad = done) && setTimeout(done, 3000));
  for (const build of [light, ground, houses, furnish, people, traffic, drawBackdrop]) build();
};

/** Draws the moment `timeS` and hands the pixels (RGBA, bottom row first) to the server of the script. */
window.drawFrame = async (timeS) => {
  for (const move of movers) move(timeS);
  aim(timeS, canvas.width / canvas.height);
  renderer.render(scene, camera);
  const gl = renderer.getContext();
  const pixels = new Uint8Array(gl.drawingBufferWidth * gl.drawingBufferHeight * 4);
  gl.readPixels(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  await fetch('/frame', { method: 'POST', body: pixels });
};

window.periodS = PERIOD_S;
window.isReady = true;
