import type { Command } from 'commander';
import { openStore } from '../../models.js';
import { print, textTable } from '../../terminal.js';

export function addList(models: Command): void {
  models.command('list').description('Models that can be used, and those that are a download away.').option('--json', 'print JSON').action(list);
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const models = await openStore().list();
  if (json) {
    print(JSON.stringify(models, null, 2));
    return;
  }
  print(textTable(['id', 'status', 'finds', 'widths', 'guard', 'what'], models.map(({ id, status, occupancy, ratios, guardProfile, title }) => [id, status, occupancy ? 'space' : 'boxes', ratios ? `${ratios.length} ratios` : '-', guardProfile ?? '-', title])));
}
