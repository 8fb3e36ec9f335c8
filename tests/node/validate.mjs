// Runs the Khronos validator: node validate.mjs FILE... prints one JSON array of reports.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const validator = createRequire(import.meta.url)('gltf-validator');
const reports = [];
for (const path of process.argv.slice(2)) {
  const bytes = new Uint8Array(fs.readFileSync(path));
  const report = await validator.validateBytes(bytes, { maxIssues: 0, format: 'glb' });
  reports.push({ path, issues: report.issues, info: report.info });
}
process.stdout.write(JSON.stringify(reports));
