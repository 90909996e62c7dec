import { AppError } from '../../core/errors.js';

/** A line of a MOTChallenge file, of the ground truth or of results. */
export interface MotRow {
  /** From 1. */
  readonly frame: number;
  /** Of the object, or of the track. */
  readonly id: number;
  /** Left, top, width, height in pixels; the first pixel is 1, as the format counts. */
  readonly xywh: readonly [left: number, top: number, width: number, height: number];
  /** Ground truth: 0 where the box isn't to be considered. Results: a confidence of any scale. */
  readonly flag: number;
  /** Ground truth of MOT16 and later; undefined where the file has no classes. */
  readonly classId: number | undefined;
}

/** Ground truth of MOT16 and later has nine columns; that of MOT15 has seven, or ten with a place in the world, as results have. */
const COLUMNS_WITH_CLASS = 9;
const LEAST_COLUMNS = 6;

/**
 * The rows of a MOTChallenge file: `frame,id,left,top,width,height,flag,...`. Boxes without an identity (negative, as in detections) are left out.
 *
 * @param name of the file, for messages
 * @throws AppError `ERR_DATASET_INVALID` with the line
 */
export function parseMotRows(text: string, name: string): MotRow[] {
  const rows: MotRow[] = [];
  const seen = new Set<string>();
  text.split(/\r?\n/).forEach((line, i) => {
    if (line.trim() === '') return;
    const place = `${name}:${i + 1}`;
    const row = parseRow(line, place);
    if (row.id < 0) return;
    const key = `${row.frame}:${row.id}`;
    if (seen.has(key)) throw invalid(place, `frame ${row.frame} has the identity ${row.id} twice`);
    seen.add(key);
    rows.push(row);
  });
  return rows;
}

function parseRow(line: string, place: string): MotRow {
  const values = line.trim().split(/\s*,\s*|\s+/).map(Number);
  if (values.length < LEAST_COLUMNS || values.slice(0, LEAST_COLUMNS).some((value) => !Number.isFinite(value))) throw invalid(place, `expected frame,id,left,top,width,height,... but found ${line.trim().slice(0, 80)}`);
  const [frame, id, left, top, width, height, flag = 1] = values as [number, number, number, number, number, number, number?];
  if (!Number.isInteger(frame) || frame < 1 || !Number.isInteger(id)) throw invalid(place, `expected whole numbers for frame (from 1) and identity but found ${frame} and ${id}`);
  if (width <= 0 || height <= 0) throw invalid(place, `expected a box with an area but found ${width} x ${height}`);
  return { frame, id, xywh: [left, top, width, height], flag, classId: values.length === COLUMNS_WITH_CLASS ? values[7] : undefined };
}

function invalid(place: string, message: string): AppError {
  return new AppError('ERR_DATASET_INVALID', `${place}: ${message}`, { fix: 'Expected a file as MOTChallenge writes it.' });
}

/** Results as MOTChallenge takes them, a line a box. */
export function formatMotRows(rows: readonly MotRow[]): string {
  return rows.map(({ frame, id, xywh, flag }) => `${[frame, id, ...xywh.map((value) => value.toFixed(2)), flag.toFixed(4)].join(',')},-1,-1,-1\n`).join('');
}
