import { type Logger, pino } from 'pino';
import { dim, isInteractive, red, yellow } from './terminal.js';

const LEVELS: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };

/** JSON lines on standard error; sentences for people where that is a terminal. `LYNCEUS_LOG_LEVEL` chooses how much (`usual` where unset). */
export function createLog(usual: 'info' | 'warn' = 'info'): Logger {
  const level = process.env['LYNCEUS_LOG_LEVEL'] ?? usual;
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (!isInteractive) return pino(options, pino.destination({ fd: 2, sync: true }));
  return pino(options, { write: (line) => process.stderr.write(forPeople(JSON.parse(line) as Record<string, unknown>)) });
}

function forPeople({ level, time, msg, stream, code }: Record<string, unknown>): string {
  const name = LEVELS[Number(level)] ?? 'info';
  const colour = name === 'warn' ? yellow : name === 'info' || name === 'debug' ? dim : red;
  const clock = typeof time === 'string' ? time.slice(11, 19) : '';
  const about = [stream, code].filter((part) => typeof part === 'string').join(' ');
  return `${dim(clock)} ${colour(name.padEnd(5))} ${about ? `${about}: ` : ''}${String(msg)}\n`;
}
