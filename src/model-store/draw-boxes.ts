import sharp from 'sharp';
import type { Detections } from '../core/detections.js';
import type { TestPicture } from './test-picture.js';

/** Colours apart from each other and from streets; a class keeps its own. */
const COLOURS = ['#e6194b', '#3cb44b', '#4363d8', '#f58231', '#911eb4', '#008080', '#9a6324', '#800000', '#808000', '#000075'];
const MOST_DRAWN = 300;

/** The picture with boxes, labels and scores, and what is wrong in a bar at its top; PNG. */
export function drawBoxes(picture: TestPicture, detections: Detections, labels: readonly string[], notes: readonly string[]): Promise<Uint8Array> {
  const { width, height } = picture.size;
  const unit = Math.max(1, Math.max(width, height) / 1280);
  const boxes = Array.from({ length: Math.min(MOST_DRAWN, detections.count) }, (_, i) => boxSvg(detections, i, labels, unit));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="${14 * unit}">${boxes.join('')}${noteSvg(notes, width, unit)}</svg>`;
  return sharp(picture.rgb, { raw: { ...picture.size, channels: 3 } })
    .composite([{ input: Buffer.from(svg) }])
    .png({ compressionLevel: 9 })
    .toBuffer();
}

function boxSvg({ xyxy, confidence, classId }: Detections, i: number, labels: readonly string[], unit: number): string {
  const [left, top, right, bottom] = [xyxy[4 * i]!, xyxy[4 * i + 1]!, xyxy[4 * i + 2]!, xyxy[4 * i + 3]!].map((value) => Number(value.toFixed(1))) as [number, number, number, number];
  const colour = COLOURS[classId[i]! % COLOURS.length]!;
  const text = `${labels[classId[i]!] ?? classId[i]!} ${confidence[i]!.toFixed(2)}`;
  const labelTop = Math.max(0, top - 18 * unit);
  return (
    `<rect x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" fill="none" stroke="${colour}" stroke-width="${2 * unit}"/>` +
    `<rect x="${left}" y="${labelTop}" width="${(8.2 * text.length + 6) * unit}" height="${18 * unit}" fill="${colour}"/>` +
    `<text x="${left + 3 * unit}" y="${labelTop + 14 * unit}" fill="#fff">${escapeXml(text)}</text>`
  );
}

function noteSvg(notes: readonly string[], width: number, unit: number): string {
  const lines = notes.map((note, i) => `<text x="${10 * unit}" y="${(22 + 22 * i) * unit}" fill="#fff" font-weight="bold" font-size="${15 * unit}">${escapeXml(note)}</text>`);
  return lines.length === 0 ? '' : `<rect width="${width}" height="${(10 + 22 * lines.length) * unit}" fill="#b00020"/>${lines.join('')}`;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
