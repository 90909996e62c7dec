import { join } from 'node:path';
import type { StudyFigures } from '../../study/analyse.js';
import type { StudyRecording } from '../../study/records.js';

/** @returns path of the page. */
export function writeStudyReport(_recording: StudyRecording, _figures: StudyFigures, folder: string): Promise<string> {
  return Promise.resolve(join(folder, 'report.html'));
}
