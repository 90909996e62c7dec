import type { Command } from 'commander';
import type { FoundProfile } from '../../../model-store/guard-profiles.js';
import { profileMissing } from '../../../model-store/guard-profiles.js';
import { DEFAULT_MODEL } from '../../definitions.js';
import { EVIDENCE_HEADER, evidenceRows, profileJson, searchText, thresholdRows } from '../../guard/profile-figures.js';
import { openStore } from '../../models.js';
import { bold, print, textTable } from '../../terminal.js';

export function addShow(guard: Command): void {
  guard
    .command('show')
    .description("Show a model's clean profile: what it was learnt from, and the thresholds.")
    .option('--model <id>', 'model id or path', DEFAULT_MODEL)
    .option('--json', 'print JSON')
    .action(show);
}

async function show({ model, json }: { model: string; json?: boolean }): Promise<void> {
  const found = await openStore().findProfile(model);
  if (!found) throw profileMissing(model);
  print(json ? JSON.stringify({ ...profileJson(found.profile), origin: found.origin, profile_path: found.path }, null, 2) : forPeople(found));
}

function forPeople({ profile, path, origin }: FoundProfile): string {
  const { modelId, tap, calibratedOn } = profile;
  const facts = [
    ['origin', origin === 'included' ? 'came with the model' : 'calibrated here'],
    ['file', path],
    ['pictures', `${calibratedOn.pictures}: ${calibratedOn.description}`],
    ['search', searchText(profile)],
    ['features', `${tap.output}, ${tap.channels} channels of ${tap.width}x${tap.height} at stride ${tap.stride}`],
  ];
  const rows = textTable(['', ''], facts).split('\n').slice(2).join('\n');
  return `${bold(modelId)}\n${rows}\n\n${textTable(['threshold', ''], thresholdRows(profile))}\n\n${textTable(EVIDENCE_HEADER, evidenceRows(profile))}`;
}
