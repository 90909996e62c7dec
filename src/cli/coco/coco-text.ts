import type { Interval, PairedChange } from '../../evaluation/bootstrap.js';
import type { ModelComparison } from '../../evaluation/compare-models.js';
import type { EvaluationReport } from '../../evaluation/evaluate.js';
import { textTable } from '../terminal.js';

export function evaluationText(report: EvaluationReport, title: string, failed: number): string {
  const { intervals, bySize, recall } = report;
  const summary = textTable(
    ['', '%', '95 % interval'],
    [
      ['mAP50', percent(report.map50), between(intervals?.map50)],
      ['mAP50-95', percent(report.map5095), between(intervals?.map5095)],
      ['mAP75', percent(report.map75), ''],
      ['small', percent(bySize.small), ''],
      ['medium', percent(bySize.medium), ''],
      ['large', percent(bySize.large), ''],
      ['recall, 100 a picture', percent(recall.max100), ''],
    ],
  );
  const classes = report.perClass.filter(({ objects }) => objects > 0).sort((a, b) => b.objects - a.objects);
  const byClass = textTable(['class', 'objects', 'AP50', 'AP50-95'], classes.map(({ label, objects, ap50, ap5095 }) => [label, String(objects), percent(ap50), percent(ap5095)]));
  const images = `${report.images} pictures, ${report.objects} objects, ${report.detections} detections${failed ? `, ${failed} pictures could not be read` : ''}`;
  return `${title}: ${images}\n\n${summary}\n\n${byClass}`;
}

export interface ComparisonTitle {
  readonly model: string;
  readonly against: string;
  readonly dataset: string;
  readonly images: number;
  readonly objects: number;
}

/** A row a figure: the model, the other one, the difference in points and its interval. */
export function comparisonText(comparison: ModelComparison, { model, against, dataset, images, objects }: ComparisonTitle): string {
  const row = (name: string, change: PairedChange | null): string[] => [name, percent(change?.after ?? null), percent(change?.before ?? null), points(change), change ? between(change.interval) : '', verdict(change)];
  const rows = [row('mAP50', comparison.map50), row('mAP50-95', comparison.map5095), ...comparison.perClass.filter(({ ap50 }) => ap50).map(({ label, ap50 }) => row(`AP50 ${label}`, ap50))];
  const table = textTable(['', model, against, 'difference', '95 % interval', ''], rows);
  return `${model} against ${against} on ${dataset}: ${images} pictures, ${objects} objects of the classes that both know\n\n${table}`;
}

function verdict(change: PairedChange | null): string {
  if (!change) return '';
  if (change.interval.low > 0) return 'better';
  return change.interval.high < 0 ? 'worse' : 'a tie';
}

function points(change: PairedChange | null): string {
  return change ? `${change.difference >= 0 ? '+' : ''}${(change.difference * 100).toFixed(1)}` : '-';
}

function percent(value: number | null): string {
  return value === null ? '-' : (value * 100).toFixed(1);
}

function between(pair: Interval | null | undefined): string {
  return pair ? `${percent(pair.low)} to ${percent(pair.high)}` : '';
}

/** Keys of JSON output are snake_case throughout. */
export function snakeCase(value: object): Record<string, unknown> {
  const convert = (inner: unknown): unknown => {
    if (Array.isArray(inner)) return inner.map(convert);
    if (inner === null || typeof inner !== 'object') return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, item]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), convert(item)]));
  };
  return convert(value) as Record<string, unknown>;
}
