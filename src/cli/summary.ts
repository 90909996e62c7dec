import type { GovernorStats, GuardStats, OccupancyStats, RedundancyStats, StreamStats, TimeSummary, TrackStats } from '../core/stream-view.js';
import { textTable } from './terminal.js';

/** The end of a run for people: what came, what went, and what each stage cost. */
export function summaryText(stats: StreamStats): string {
  const { stream, received, delivered, meanFps, dropped, endToEnd, stages, guard, redundancy, tracks, occupancy, governor } = stats;
  const rows = [
    ...stages.flatMap(({ stage, queue, service }) => [timeRow(`${stage} wait`, queue), timeRow(stage, service)]),
    timeRow('end to end', endToEnd),
  ].filter((row) => row !== undefined);
  const lost = dropped.map(({ stage, reason, count }) => `${count} ${stage}:${reason}`).join(', ');
  return [
    `${stream}: ${delivered} of ${received} frames delivered, ${meanFps.toFixed(1)} frames a second${lost ? `, dropped ${lost}` : ', none dropped'}`,
    ...(guard ? [guardText(guard)] : []),
    ...(redundancy ? [redundancyText(redundancy)] : []),
    ...(tracks ? [trackText(tracks)] : []),
    ...(occupancy ? [occupancyText(occupancy)] : []),
    ...(governor ? [governorText(governor)] : []),
    '',
    textTable(['ms', 'mean', 'cv', 'p50', 'p95', 'p99', 'max', 'n'], rows),
    ...(endToEnd.p99Ms === undefined ? ['', `"-": too few samples to say (p95 needs 130, p99 needs 662)`] : []),
  ].join('\n');
}

function guardText({ frames, patches, extraPasses, recovered, suppressed }: GuardStats): string {
  const states = frames.map(({ state, reason, count }) => `${count} ${state}${reason === undefined ? '' : ` (${reason})`}`).join(', ');
  const regions = patches.map(({ verdict, action, count }) => `${count} ${verdict}${action === 'filled' ? ' and filled' : ''}`).join(', ');
  const total = frames.reduce((sum, { count }) => sum + count, 0);
  return `guard: frames ${states}; ${extraPasses} extra passes (${(extraPasses / total).toFixed(3)} a frame); regions ${regions || 'none'}; boxes ${recovered} recovered, ${suppressed} suppressed`;
}

function redundancyText({ frames, avoidedInferences, avoidedWorkShare }: RedundancyStats): string {
  const ways = frames.map(({ action, reason, count }) => `${count} ${action} (${reason})`).join(', ');
  const total = frames.reduce((sum, { count }) => sum + count, 0);
  return `redundancy: ${avoidedInferences} of ${total} inferences avoided, ${(100 * avoidedWorkShare).toFixed(1)} % of the work; frames ${ways}`;
}

function trackText({ now, confirmed, idsGiven }: TrackStats): string {
  return `tracks: ${now} in the newest frame, ${confirmed} since the start, ids up to ${idsGiven}`;
}

function occupancyText({ pairs, computedShare, levels, missing }: OccupancyStats): string {
  const reached = levels.map(({ level, count }) => `${count} to ${level}`).join(', ');
  const without = missing.map(({ code, count }) => `${count} ${code}`).join(', ');
  return `occupancy: ${pairs} pairs${reached ? ` (${reached} cells a side)` : ''}, ${(100 * computedShare).toFixed(1)} % of the finest cells computed; without: ${without || 'none'}`;
}

function governorText({ point, moves }: GovernorStats): string {
  const total = moves.reduce((sum, { count }) => sum + count, 0);
  const reasons = moves.map(({ reason, count }) => `${count} ${reason}`).join(', ');
  return `governor: now at ${point.name}; ${total} moves${reasons ? ` (${reasons})` : ''}`;
}

function timeRow(name: string, { n, meanMs, cv, p50Ms, p95Ms, p99Ms, maxMs }: TimeSummary): string[] | undefined {
  // A wait that never happened says nothing.
  if (n === 0 || (maxMs === 0 && name.endsWith(' wait'))) return undefined;
  return [name, ms(meanMs), cv.toFixed(2), ms(p50Ms), ms(p95Ms), ms(p99Ms), ms(maxMs), String(n)];
}

function ms(value: number | undefined): string {
  return value === undefined ? '-' : value.toFixed(2);
}
