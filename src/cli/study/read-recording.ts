import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, systemErrorCode } from '../../core/errors.js';
import { parseRecording, type StudyRecording } from '../../study/records.js';

/** @param path of a recording, or of the folder of a report. @throws AppError `ERR_FILE_NOT_FOUND`, `ERR_CONFIG_INVALID` */
export async function readRecording(path: string): Promise<StudyRecording> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemErrorCode(error) === 'EISDIR') return readFile(join(path, 'spans.ndjson'), 'utf8').catch((cause: unknown) => Promise.reject(unreadable(path, cause)));
    throw unreadable(path, error);
  });
  return parseRecording(text, path);
}

function unreadable(path: string, cause: unknown): AppError {
  return new AppError('ERR_FILE_NOT_FOUND', `${path}: the recording can't be read (${systemErrorCode(cause) ?? 'unknown error'})`, { cause, fix: 'Give the spans.ndjson of a study, or the folder of its report.' });
}
