import { drawGuard } from './guard-overlay.js';
import { drawBoxes, drawPlates, drawVolumes } from './overlay.js';
import { Trails } from './trails.js';

/** Frames whose boxes wait for their picture. Pictures are some tens of milliseconds behind the results. */
const KEPT_FRAMES = 64;
/** Without a picture for so long, boxes are drawn on an empty ground. */
const PICTURE_TIMEOUT_MS = 2_000;

/** The live picture of one stream: a picture and the boxes of the same frame are drawn together, never of different ones. */
export class Screen {
  #canvas;
  #context;
  #frames = new Map();
  #picture;
  #shown;
  #pictureAtMs = performance.now();
  #isDecoding = false;
  #next;
  #showBoxes = true;
  #trails = new Trails();
  #onShown;

  /** @param onShown called with the frame that is on the screen now */
  constructor(canvas, onShown) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d', { alpha: false });
    this.#onShown = onShown;
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  set showBoxes(value) {
    this.#showBoxes = value;
    this.#draw();
  }

  frame(frame) {
    this.#frames.set(frame.seq, frame);
    if (this.#frames.size > KEPT_FRAMES) this.#frames.delete(this.#frames.keys().next().value);
    if (performance.now() - this.#pictureAtMs < PICTURE_TIMEOUT_MS) return;
    this.#picture?.close();
    this.#picture = undefined;
    this.#show(frame);
  }

  /** Decodes one picture at a time; of those that come meanwhile, only the newest is kept. */
  async picture(picture) {
    this.#pictureAtMs = performance.now();
    this.#next = picture;
    if (this.#isDecoding) return;
    this.#isDecoding = true;
    while (this.#next) {
      const { seq, jpeg } = this.#next;
      this.#next = undefined;
      const bitmap = await createImageBitmap(new Blob([jpeg], { type: 'image/jpeg' })).catch(() => undefined);
      const frame = this.#frames.get(seq);
      if (!bitmap || !frame) {
        bitmap?.close();
        continue;
      }
      this.#picture?.close();
      this.#picture = bitmap;
      this.#show(frame);
    }
    this.#isDecoding = false;
  }

  #show(frame) {
    this.#shown = frame;
    this.#trails.add(frame);
    this.#canvas.parentElement.style.setProperty('--aspect', `${frame.image.width} / ${frame.image.height}`);
    this.#draw();
    this.#onShown(frame);
  }

  #resize() {
    const ratio = devicePixelRatio;
    this.#canvas.width = Math.max(1, Math.round(this.#canvas.clientWidth * ratio));
    this.#canvas.height = Math.max(1, Math.round(this.#canvas.clientHeight * ratio));
    this.#draw();
  }

  #draw() {
    const context = this.#context;
    const { width, height } = this.#canvas;
    context.fillStyle = '#05070a';
    context.fillRect(0, 0, width, height);
    if (!this.#shown) return;
    const { image, guard } = this.#shown;
    const scale = Math.min(width / image.width, height / image.height);
    const place = { scale, width: image.width * scale, height: image.height * scale, x: (width - image.width * scale) / 2, y: (height - image.height * scale) / 2 };
    context.imageSmoothingQuality = 'high';
    if (this.#picture) context.drawImage(this.#picture, place.x, place.y, place.width, place.height);
    if (!this.#showBoxes) return;
    const { regions, suppressed } = guard ? drawGuard(context, this.#shown, place, devicePixelRatio) : { regions: [], suppressed: [] };
    this.#trails.draw(context, place, devicePixelRatio);
    const volumes = drawVolumes(context, this.#shown, place, devicePixelRatio);
    const boxes = drawBoxes(context, this.#shown, place, devicePixelRatio);
    // Where there is no room for all, it says what is there rather than what isn't.
    drawPlates(context, [...regions, ...boxes, ...suppressed, ...volumes], place, devicePixelRatio);
  }
}
