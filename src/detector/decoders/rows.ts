import { AppError } from '../../core/errors.js';
import type { ModelManifest } from '../../core/manifest.js';
import type { HeadScanner } from '../head-scanner.js';
import { findOutput } from '../output-tensor.js';

type Column = 'x1' | 'y1' | 'x2' | 'y2' | 'score' | 'class';

const DEFAULT_COLUMNS: readonly Column[] = ['x1', 'y1', 'x2', 'y2', 'score', 'class'];

/** Finished boxes, one a row, in the columns that the manifest names: `[1, N, columns]`, pixels of the model input (CenterNet). */
export function createRowsScanner(manifest: ModelManifest): HeadScanner {
  return createColumnScanner(manifest, manifest.head.columns ?? DEFAULT_COLUMNS);
}

/**
 * @param columns order of the columns; `class` may be absent (then it is 0).
 * @throws {AppError} ERR_MODEL_MANIFEST where another column is.
 */
export function createColumnScanner(manifest: ModelManifest, columns: readonly Column[]): HeadScanner {
  const [x1, y1, x2, y2, score] = (['x1', 'y1', 'x2', 'y2', 'score'] as const).map((column) => columnIndex(manifest, columns, column)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const classAt = columns.indexOf('class');
  const width = columns.length;
  const reason = `rows of ${columns.join(' ')}`;
  return {
    endToEnd: true,
    scan(outputs, { confidenceThreshold }, found) {
      const { data } = findOutput(outputs, manifest.head.output, [1, undefined, width], reason);
      for (let at = 0; at < data.length; at += width) {
        const confidence = data[at + score]!;
        if (!(confidence > confidenceThreshold)) continue;
        const classId = classAt < 0 ? 0 : Math.round(data[at + classAt]!);
        // Empty rows of some exports carry class -1; false for NaN too.
        if (!(classId >= 0 && classId < manifest.labels.length)) continue;
        found.add(data[at + x1]!, data[at + y1]!, data[at + x2]!, data[at + y2]!, confidence, classId);
      }
    },
  };
}

function columnIndex(manifest: ModelManifest, columns: readonly Column[], column: Column): number {
  const index = columns.indexOf(column);
  if (index >= 0) return index;
  throw new AppError('ERR_MODEL_MANIFEST', `Expected column '${column}' in head.columns of ${manifest.id}, found ${columns.join(' ')}`, {
    fix: `Name all columns of a row, for example: ${DEFAULT_COLUMNS.join(' ')}.`,
  });
}
