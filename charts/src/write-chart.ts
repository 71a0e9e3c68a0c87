import { writeFileSync } from 'node:fs';
import { chartFiles, ROOT } from './chart-files.ts';

// Writes the generated files of the chart: `node charts/src/write-chart.ts`.
for (const [path, text] of Object.entries(chartFiles())) writeFileSync(new URL(path, ROOT), text);
