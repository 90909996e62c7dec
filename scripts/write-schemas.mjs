// Writes the published schemas of the files that people write by hand. Run it after a change of a schema; a test fails until then.
//   npm run build && node scripts/write-schemas.mjs
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { manifestJsonSchema, occupancyManifestJsonSchema } from '../dist/config/manifest-schema.js';
import { streamJsonSchema } from '../dist/config/stream-definition.js';

const root = fileURLToPath(new URL('..', import.meta.url));
for (const [path, schema] of [
  ['streams/stream.schema.json', streamJsonSchema()],
  ['models/manifest.schema.json', manifestJsonSchema()],
  ['models/occupancy-manifest.schema.json', occupancyManifestJsonSchema()],
]) {
  writeFileSync(`${root}${path}`, `${JSON.stringify(schema, null, 2)}\n`);
  console.log(path);
}
