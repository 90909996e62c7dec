import type { Size } from '../../core/frame.js';

/** How a folder is laid out; `docs/datasets.md` shows each. */
export type DatasetKind = 'coco' | 'mot' | 'kitti-tracking' | 'images';

/** How a picture is encoded, by ffmpeg's names of its decoders. */
export type PictureCodec = 'mjpeg' | 'png' | 'bmp' | 'webp' | 'tiff' | 'pgm' | 'ppm';

/** How stored pixels have to be turned, by EXIF: 1 is as they are, 6 a quarter clockwise. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** A file that can be decoded, as far as its header says. */
export interface PictureFile {
  readonly path: string;
  readonly codec: PictureCodec;
  /** The turn that is made; 1 where boxes are in stored pixels. */
  readonly orientation: Orientation;
  /** After the turn. */
  readonly size: Size;
}

/** A file that can't be decoded, and why. */
export interface PictureFault {
  readonly path: string;
  readonly fault: string;
}

export type Picture = PictureFile | PictureFault;

export function isFault(picture: Picture): picture is PictureFault {
  return 'fault' in picture;
}

export interface DatasetImage {
  /** As the annotations name it: COCO's id, MOTChallenge's frame number; unique in the dataset. */
  readonly id: number;
  /** Relative to the folder of pictures, as the annotations write it. */
  readonly fileName: string;
  readonly picture: Picture;
  /** Boxes are in its pixels; undefined where the file is broken and nothing else says. */
  readonly size: Size | undefined;
}

export interface DatasetCategory {
  readonly id: number;
  readonly name: string;
}

/** One object of the ground truth. */
export interface GroundTruthBox {
  readonly imageId: number;
  readonly categoryId: number;
  /** Left, top, width, height in pixels of the picture, from 0. */
  readonly xywh: readonly [left: number, top: number, width: number, height: number];
  /** Square pixels: of the outline where the annotations know it, else of the box. */
  readonly areaPx: number;
  /** A box around many objects (`iscrowd`, `DontCare`). */
  readonly crowd: boolean;
  /** To find it is neither right nor wrong (distractors, neighbouring classes). */
  readonly ignore: boolean;
  /** The same object in several pictures. */
  readonly trackId?: number;
}

/** Pictures in order, and what is in them. */
export interface Dataset {
  readonly kind: DatasetKind;
  readonly folder: string;
  readonly images: readonly DatasetImage[];
  readonly categories: readonly DatasetCategory[];
  /** Empty where there is no ground truth. */
  readonly boxes: readonly GroundTruthBox[];
  /** Where the dataset is a recording; undefined for single pictures. */
  readonly frameRateFps: number | undefined;
}
