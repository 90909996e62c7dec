import type { Command } from 'commander';
import { addAdd } from './add.js';
import { addBenchModels } from './bench.js';
import { addInspect } from './inspect.js';
import { addList } from './list.js';
import { addPick } from './pick.js';
import { addPrune } from './prune.js';
import { addPruneAnchors } from './prune-anchors.js';
import { addQuantize } from './quantize.js';
import { addRemove } from './remove.js';

export function addModels(program: Command): void {
  const models = program.command('models').description('Add and inspect models, make cheaper ones of them, measure them and pick one.');
  for (const add of [addList, addAdd, addInspect, addPrune, addPruneAnchors, addQuantize, addRemove, addBenchModels, addPick]) add(models);
}
