/** Texts and numbers for people. */

const DECIMALS = [
  [10, 2],
  [100, 1],
  [Infinity, 0],
];

/** Milliseconds with three significant figures: 0.42, 9.87, 34.1, 128. */
export function milliseconds(ms) {
  const [, decimals] = DECIMALS.find(([below]) => Math.abs(ms) < below);
  return ms.toFixed(decimals);
}

/** 0.4 s, 12 s, 3 min, 2 h. */
export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

export function count(number) {
  return number.toLocaleString('en');
}

/** 0.42 m, 4.3 m, 32 m. */
export function metres(m) {
  return `${Number(m.toFixed(m < 1 ? 2 : 1))} m`;
}

export function degrees(deg) {
  return `${Math.round(deg)}°`;
}

/** `replaced_by_newer` is read as words. */
export function words(identifier) {
  return identifier.replaceAll('_', ' ');
}

/** "guarded, 2 extra passes · 1 patch · 1 box recovered": what a guard did in a frame. */
export function guardSummary({ guard, patches = [], suppressed = [], detections }) {
  const { state, reason, extra_passes: passes } = guard;
  const found = patches.filter(({ verdict }) => verdict === 'adversarial').length;
  const recovered = detections.filter((detection) => detection.guard === 'recovered').length;
  return [
    `${state}${reason ? ` (${reason})` : ''}, ${several(passes, 'extra pass', 'extra passes')}`,
    ...(found > 0 ? [several(found, 'patch', 'patches')] : []),
    ...(recovered > 0 ? [`${several(recovered, 'box', 'boxes')} recovered`] : []),
    ...(suppressed.length > 0 ? [`${several(suppressed.length, 'box', 'boxes')} suppressed`] : []),
  ].join(' · ');
}

function several(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

/** "72": what a redundancy gate spares of the work of the model, in %. */
export function sparedShare({ avoided_work_share: share }) {
  return `${Math.round(100 * Math.max(0, share))}`;
}

/** "person × 3, car", most frequent first, of what was seen; undefined where there is nothing. */
export function summary(detections) {
  const counts = new Map();
  for (const { label, coasted } of detections) if (!coasted) counts.set(label, (counts.get(label) ?? 0) + 1);
  if (counts.size === 0) return undefined;
  return [...counts].sort((a, b) => b[1] - a[1]).map(([label, number]) => (number > 1 ? `${label} × ${number}` : label)).join(', ');
}
