import { z } from 'zod';
import { valuesSchema } from './values-schema.ts';

/** A node of a JSON schema as zod writes it. */
type Node = { [member: string]: unknown };

/**
 * The text of values.schema.json. Draft 7, which every Helm 3 understands. What YAML writes in several forms (durations, sizes) is left to `sluice run`, which names the line.
 */
export function valuesJsonSchema(): string {
  const schema = z.toJSONSchema(valuesSchema, {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => tidy(jsonSchema),
  });
  return `${JSON.stringify({ title: 'Values of the chart sluice', ...schema }, undefined, 2)}\n`;
}

function tidy(node: Node): void {
  if (typeof node.form === 'string' && node.type === undefined && node.anyOf === undefined) {
    if (/^duration/.test(node.form)) node.type = 'string';
    if (/^size/.test(node.form)) node.type = ['string', 'integer'];
  }
  delete node.form;
  delete node.show;
}
