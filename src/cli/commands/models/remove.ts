import type { Command } from 'commander';
import { openStore } from '../../models.js';
import { green, say } from '../../terminal.js';

export function addRemove(models: Command): void {
  models
    .command('remove')
    .description('Remove a model that was added.')
    .argument('<id>')
    .action(async (id: string) => {
      await openStore().remove(id);
      say(`${green('removed')} ${id}`);
    });
}
