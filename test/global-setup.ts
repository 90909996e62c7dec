import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Workers and the command line run from `dist`, as they do for users: build it (incrementally) before the first test. */
export default function setup(): void {
  try {
    execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'pipe' });
  } catch (error) {
    const output = (error as { stdout?: Buffer }).stdout?.toString() ?? String(error);
    process.stderr.write(`The build reports problems:\n${output}\n`);
    if (!existsSync('dist')) throw error;
  }
}
