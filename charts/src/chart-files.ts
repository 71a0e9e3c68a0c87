import { definitionTemplates } from './definition-templates.ts';
import { valuesJsonSchema } from './json-schema.ts';
import { valuesFile } from './values-file.ts';
import { valuesPage } from './values-page.ts';

/** The root of the repository. */
export const ROOT = new URL('../../', import.meta.url);

/** Generated files of the chart: path in the repository → text. Checked in; a test compares them with the code. */
export function chartFiles(): Readonly<Record<string, string>> {
  const templates = Object.entries(definitionTemplates());
  return {
    'charts/sluice/values.yaml': valuesFile(),
    'charts/sluice/values.schema.json': valuesJsonSchema(),
    'docs/reference/chart.md': valuesPage(),
    ...Object.fromEntries(templates.map(([file, text]) => [`charts/sluice/templates/${file}`, text])),
  };
}
