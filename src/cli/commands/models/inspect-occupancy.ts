import type { InstalledOccupancyModel, Span } from '../../../core/occupancy-manifest.js';
import { bold, textTable } from '../../terminal.js';

/** What `models inspect` tells of a network for stereo occupancy. */
export function occupancyText({ manifest, folder }: InstalledOccupancyModel): string {
  const { id, title, licence, files, input, planes, levels, refine, trained, lineage, baseline } = manifest;
  const rules = Object.entries(levels.all).map(([side, { source, above }]) => `${side}: ${source} > ${above}`);
  const iou = baseline && Object.entries(baseline.iou).map(([side, value]) => `${value} at ${side}`);
  const rows = [
    ['finds', 'occupied space in stereo pairs'],
    ['title', title],
    ['licence', licence],
    ['folder', folder],
    ['input', `two pictures, stretched to ${input.width}x${input.height}; planes ${planes}`],
    ['cells a side', rules.join(', ')],
    ['looks closer', `from a probability of ${refine.threshold} on, with ${refine.margin} neighbours`],
    ['trained for', `focal lengths of ${spanText(trained.focalLengthWidths)} picture widths, baselines of ${spanText(trained.baselineM)} m, ranges of ${spanText(trained.rangeM)} m`],
    ['sha256', `${files.coarse.file} ${files.coarse.sha256}`],
    ['', `${files.fine.file} ${files.fine.sha256}`],
    ['origin', lineage.origin],
    ['lineage', [lineage.parent ?? '', ...lineage.operations.map(({ kind }) => kind)].filter(Boolean).join(' > ') || '-'],
    ['baseline', baseline && iou ? `${baseline.dataset} (${baseline.pairs} pairs): IoU ${iou.join(', ')}` : 'not measured'],
  ];
  return `${bold(id)}\n${textTable(['', ''], rows).split('\n').slice(2).join('\n')}`;
}

function spanText([least, most]: Span): string {
  return `${least} to ${most}`;
}
