import { z } from 'zod';

/** As much of an object as the operator reads of every kind; the rest of it is kept. */
export const kubeObject = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    uid: z.string().optional(),
    resourceVersion: z.string().optional(),
    generation: z.number().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
});

/** An object without its record of who owns which field: as large as the object, and nobody here reads it. */
export function withoutManagedFields(object: KubeObject): KubeObject {
  if (!('managedFields' in object.metadata)) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

export type KubeObject = z.infer<typeof kubeObject>;

export const kubeList = z.looseObject({
  metadata: z.looseObject({
    resourceVersion: z.string().default(''),
    continue: z.string().optional(),
  }),
  // The API server writes `null` for none in some versions.
  items: z.array(kubeObject).nullable(),
});

/** A line of a watch. */
export const watchEvent = z.looseObject({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.unknown(),
});

/** The object of an `ERROR` line. */
export const watchError = z.looseObject({ code: z.number().optional(), message: z.string().optional() });

/** The object of a `BOOKMARK` line has nothing but its version. */
export const bookmark = z.looseObject({ metadata: z.looseObject({ resourceVersion: z.string() }) });
