import { readFileSync } from 'node:fs';

/** Numbers of the processors that the calling process may run on (Linux); undefined where the system doesn't say. */
export function allowedProcessors(status = '/proc/self/status'): number[] | undefined {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync(status, 'utf8'))?.[1];
    return list === undefined ? undefined : parseProcessors(list);
  } catch {
    return undefined;
  }
}

/** `0-2,5`: the kernel's way to write sets of processors. */
export function parseProcessors(list: string): number[] {
  return list.split(',').flatMap((piece) => {
    const [first = NaN, last = first] = piece.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
