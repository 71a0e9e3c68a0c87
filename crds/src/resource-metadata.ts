import { z } from 'zod';
import { expecting } from './expectation.ts';
import { entryName, labels, resourceName } from './schema-fields.ts';

export const API_GROUP = 'sluice.email';
export const API_VERSION = 'sluice.email/v1alpha1';

/** Name of a namespace: unlike other names of Kubernetes, without dots. */
const namespaceName = expecting(entryName.clone(), {
  expected: 'the name of a namespace: lower-case letters, digits and hyphens, at most 63',
  example: 'mail',
});

/** `metadata` as far as Sluice reads it. */
export const metadata = z.strictObject({
  name: resourceName.describe('Name of the resource, unique for its kind.'),
  namespace: namespaceName.exactOptional().describe('Namespace; resources only see those of their own.'),
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
