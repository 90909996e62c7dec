// Writes what is derived in models/: manifest.schema.json, and the manifest of each model that is imported from an npm package.
// Run it after a change of the schema or of an importer; tests fail until then.   npm run build && node scripts/write-model-manifests.mjs
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { manifestJsonSchema } from '../dist/config/manifest-schema.js';
import { manifestOf } from '../dist/model-store/draft.js';
import { importShipped } from '../dist/model-store/shipped-models.js';

const models = fileURLToPath(new URL('../models', import.meta.url));
writeFileSync(`${models}/manifest.schema.json`, `${JSON.stringify(manifestJsonSchema(), null, 2)}\n`);
for (const id of readdirSync(models)) {
  if (!existsSync(`${models}/${id}/origin.json`)) continue;
  const path = `${models}/${id}/manifest.json`;
  // What measured runs wrote stays.
  const baseline = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).baseline : null;
  const manifest = { $schema: '../manifest.schema.json', ...manifestOf(id, await importShipped(`${models}/${id}`)), baseline };
  writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
  console.log(`${id}: ${manifest.sha256}`);
}
