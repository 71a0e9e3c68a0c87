import { z } from 'zod';
import { expecting } from './expectation.ts';
import { labels, resourceName } from './schema-fields.ts';

export const API_GROUP = 'sluice.email';
export const API_VERSION = 'sluice.email/v1alpha1';

/** `metadata` as far as Sluice reads it. */
export const metadata = z.strictObject({
  name: resourceName.describe('Name of the resource, unique for its kind.'),
  namespace: resourceName.exactOptional().describe('Namespace; resources only see those of their own.'),
  labels: labels.exactOptional().describe('Labels, not read by Sluice.'),
  annotations: z
    .record(
      z.string(),
      expecting(z.string(), {
        expected: 'text',
        example: '"on"',
        suggest: (given) => (typeof given === 'object' ? undefined : `"${given}"`),
      }),
    )
    .exactOptional()
    .describe('Annotations, not read by Sluice.'),
});
