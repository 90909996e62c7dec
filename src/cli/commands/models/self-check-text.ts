import type { SelfCheckReport } from '../../../model-store/self-check.js';
import { bold, dim, green, red, say, yellow } from '../../terminal.js';

/** Tells what a model found on the test picture, and loudly what looks wrong. */
export function saySelfCheck(report: SelfCheckReport, picturePath: string): void {
  const { boxes, confidenceThreshold, classes, found, picture, warnings, hint } = report;
  const names = classes.map(({ label, count }) => `${count} ${label}`).join(', ');
  say(`self-check on ${picture}: ${bold(`${boxes} boxes`)} over ${confidenceThreshold}${names ? `: ${names}` : ''}`);
  if (found) say(`            ${found.objects} of the ${found.of} objects that it should know are found at their place`);
  say(`            ${dim('drawn in')} ${picturePath}`);
  if (hint) say(`${dim('hint')}        ${hint}`);
  for (const { code, message, advice } of warnings) {
    say(`${red('warning')} ${bold(code)}: ${yellow(message)}`);
    say(`${dim('advice')}  ${advice}`);
  }
  say(warnings.length === 0 ? `${green('ok')}          nothing looks wrong; a look at the picture is worth it all the same` : red('The model was probably understood wrongly: look at the picture before it is used.'));
}
