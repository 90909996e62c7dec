import type { Command } from 'commander';
import { manifestJsonSchema, occupancyManifestJsonSchema } from '../../config/manifest-schema.js';
import { streamJsonSchema } from '../../config/stream-definition.js';
import { AppError } from '../../core/errors.js';
import { asyncApiDocument, schemas } from '../../protocol/schemas.js';
import { print } from '../terminal.js';
import { VERSION } from '../version.js';

export function addSchema(program: Command): void {
  program
    .command('schema')
    .description('Print a JSON Schema: stream, manifest, occupancy-manifest, asyncapi, or a message of the WebSocket protocol.')
    .argument('[name]', 'which one; without a name, the list')
    .action((name?: string) => {
      const all: Record<string, unknown> = { stream: streamJsonSchema(), manifest: manifestJsonSchema(), 'occupancy-manifest': occupancyManifestJsonSchema(), asyncapi: asyncApiDocument(VERSION), ...schemas() };
      if (name === undefined) {
        print(Object.keys(all).join('\n'));
        return;
      }
      if (!Object.hasOwn(all, name)) throw new AppError('ERR_USAGE', `No schema is called '${name}'`, { fix: `There are: ${Object.keys(all).join(', ')}.` });
      print(JSON.stringify(all[name], null, 2));
    });
}
