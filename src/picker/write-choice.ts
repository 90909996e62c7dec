import { isMap, isScalar, isSeq, parseDocument, type YAMLMap } from 'yaml';
import { streamDefinitionSchema } from '../config/stream-definition.js';
import { parseYaml } from '../config/yaml-file.js';
import { AppError } from '../core/errors.js';

/** What a detector stage is told. */
export interface StageChoice {
  readonly model: string;
  /** Of one inference. */
  readonly threads: number;
}

/** Longer lines than any that people write: nothing is folded anew. */
const NO_FOLDING = 0;

/**
 * A stream definition with another model for its detector. Comments and everything else stay; `mode: latency` goes with the threads,
 * since the budget is of one frame.
 *
 * @param stageId where there are several detectors.
 * @throws AppError of `parseYaml`; ERR_CONFIG_INVALID where there is no such stage, or several and none is named.
 */
export function writeChoice(text: string, fileName: string, { model, threads }: StageChoice, stageId?: string): string {
  // Whatever the environment has: `${NAME}` stays as it is written.
  const env = new Proxy<Record<string, string>>({}, { get: () => 'set' });
  parseYaml({ text, fileName, env }, streamDefinitionSchema);
  const document = parseDocument(text);
  const stage = findStage(document.get('stages'), fileName, stageId);
  if (!isMap(stage.get('options'))) stage.set('options', document.createNode({}));
  const options = stage.get('options') as YAMLMap;
  options.set('model', model);
  options.set('mode', 'latency');
  options.set('cores', threads);
  return document.toString({ lineWidth: NO_FOLDING, indentSeq: /^\s+- /m.test(text), flowCollectionPadding: /\{ /.test(text) });
}

function findStage(stages: unknown, fileName: string, stageId: string | undefined): YAMLMap {
  const all = isSeq(stages) ? stages.items.filter(isMap) : [];
  const detectors = all.filter((stage) => stage.get('kind') === 'detector.yolo' && (stageId === undefined || stage.get('id') === stageId));
  if (detectors.length === 1) return detectors[0]!;
  const ids = all.map((stage) => stage.get('id', true)).map((id) => (isScalar(id) ? String(id.value) : '?'));
  const what = detectors.length === 0 ? `no detector.yolo${stageId === undefined ? '' : ` named ${stageId}`}` : `${detectors.length} detectors`;
  throw new AppError('ERR_CONFIG_INVALID', `${fileName} has ${what}; its stages: ${ids.join(', ')}`, { fix: 'Name the stage with --stage.' });
}
