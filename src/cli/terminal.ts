import cliProgress from 'cli-progress';
import pc from 'picocolors';

/** Progress and colours are for people: on a terminal only, and never on standard output, which is for data. */
export const isInteractive = process.stderr.isTTY && process.env['TERM'] !== 'dumb';

const colours = pc.createColors(process.stderr.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb');
export const { bold, dim, red, yellow, green, cyan } = colours;

/** A line for people, on standard error. */
export function say(text = ''): void {
  process.stderr.write(`${text}\n`);
}

/** Data, on standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export interface Progress {
  update(done: number, note?: string): void;
  stop(): void;
}

/** A progress bar on a terminal, nothing elsewhere. @param total undefined where nobody knows: only the note is shown. */
export function progressBar(title: string, total: number | undefined): Progress {
  if (!isInteractive) return { update: () => undefined, stop: () => undefined };
  const format = total === undefined ? `${title} {value} {note}` : `${title} ${cyan('{bar}')} {percentage}% | {value}/{total} | {note}`;
  const bar = new cliProgress.SingleBar(
    { format, barCompleteChar: '█', barIncompleteChar: '░', barsize: 28, hideCursor: true, clearOnComplete: true, stream: process.stderr, fps: 8, gracefulExit: false },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total ?? 0, 0, { note: '' });
  return {
    update: (done, note = '') => bar.update(done, { note }),
    stop: () => bar.stop(),
  };
}

/** A bar for each phase of long work, one after the other. */
export class PhaseBars {
  #phase = '';
  #bar: Progress | undefined;

  readonly update = (phase: string, done: number, total: number): void => {
    if (phase !== this.#phase) {
      this.stop();
      this.#phase = phase;
      this.#bar = progressBar(phase, total);
    }
    this.#bar?.update(done);
  };

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

/** Columns aligned by the widest cell; numbers (cells that look like one) to the right. */
export function textTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (/^[-+]?[\d.,]+( ?%| ?ms)?$|^-$/.test(cell) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('──');
  return [line(header), rule, ...rows.map(line)].join('\n');
}
