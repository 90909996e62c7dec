import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StudyFigures } from '../../study/analyse.js';
import type { StudyRecording } from '../../study/records.js';
import { studyReport } from './study-report.js';
import { traceOf, worstFrames } from './worst-frames.js';

/** Writes `report.html`, and traces of the worst frames beside it. @returns path of the page. */
export async function writeStudyReport(recording: StudyRecording, figures: StudyFigures, folder: string): Promise<string> {
  const worst = worstFrames(recording);
  for (const one of worst) await writeFile(join(folder, one.traceFile), await traceOf(one));
  const path = join(folder, 'report.html');
  await writeFile(path, studyReport(recording, figures, worst));
  return path;
}
