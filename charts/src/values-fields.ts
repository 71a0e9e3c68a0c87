import { z } from 'zod';

/** Field that has no default and may be left out; Helm takes `null` for "not given". */
export const optional = <T extends z.ZodType>(schema: T) => z.exactOptional(schema);

const dnsLabel = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);

/** Name of an object or of an entry. */
export const name = dnsLabel.meta({ form: 'name' });

/** Name of a Secret or `''`. */
export const secretName = z
  .string()
  .regex(/^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$/)
  .default('')
  .meta({ form: 'name of a Secret' });

export const port = z.int().min(1).max(65_535);

/** Ports that a process without rights may listen on. */
export const containerPort = z.int().min(1024).max(65_535);

const quantity = z
  .union([z.string().regex(/^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/), z.number().positive()])
  .meta({ form: 'quantity' });

export const size = z
  .string()
  .regex(/^[0-9]+(Ki|Mi|Gi|Ti|k|M|G|T)?$/)
  .meta({ form: 'size' });

export const network = z
  .string()
  .regex(/^[0-9a-fA-F.:]+\/[0-9]{1,3}$/)
  .meta({ form: 'network (CIDR)' });

const texts = z.record(z.string(), z.string()).meta({ form: 'names and texts' });

/** Any fields: the API server knows them. */
const anyFields = z.record(z.string(), z.unknown()).meta({ form: 'fields of Kubernetes' });
const anyList = z.array(anyFields).meta({ form: 'list of fields of Kubernetes' });

const resources = (requests: Readonly<Record<string, string>>, limits: Readonly<Record<string, string>>) =>
  z
    .strictObject({
      requests: z.record(z.string(), quantity).default(requests).describe('What a node must have free.'),
      limits: z
        .record(z.string(), quantity)
        .default(limits)
        .describe('What it may take. No limit of CPU by default: throttled pods miss their timeouts.'),
    })
    .prefault({})
    .describe('CPU and memory.');

/** What each kind of pod can be told about where and how it runs. */
export const podFields = (
  requests: Readonly<Record<string, string>>,
  limits: Readonly<Record<string, string>>,
) => ({
  resources: resources(requests, limits),
  podAnnotations: texts.default({}).describe('Annotations of the pods.'),
  podLabels: texts.default({}).describe('Labels of the pods, beside those of the chart.'),
  nodeSelector: texts.default({ 'kubernetes.io/os': 'linux' }).describe('Labels of nodes that may run them.'),
  tolerations: anyList.default([]).describe('Taints of nodes that they stand.'),
  affinity: anyFields.default({}).describe('Rules of affinity.'),
  priorityClassName: z.string().default('').describe('Name of a PriorityClass.'),
});

export const replicaFields = {
  topologySpreadConstraints: optional(
    anyList.describe('How they spread. Absent = over zones and nodes, as far as possible.'),
  ),
  podDisruptionBudget: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Whether there is one.'),
      maxUnavailable: z
        .union([z.int().min(0), z.string().regex(/^[0-9]{1,3}%$/)])
        .default(1)
        .meta({ form: 'number or percent' })
        .describe('Pods that may be evicted at a time.'),
    })
    .prefault({})
    .describe('What drains of nodes may do.'),
  nodeOptions: z
    .string()
    .default('')
    .describe('Flags for Node.js, as NODE_OPTIONS takes them. Its heap follows the memory limit by itself.'),
};

export const serviceAccount = z
  .strictObject({
    create: z.boolean().default(true).describe('Whether the chart makes one.'),
    name: z.string().max(253).default('').describe('Its name; empty = the chart chooses, or `default`.'),
    annotations: texts.default({}).describe('Its annotations.'),
  })
  .prefault({})
  .describe('Service account. Its token is mounted explicitly, never by default.');

export const imageFields = (repository: string, tag: string, tagDescription: string) => ({
  repository: z.string().min(1).default(repository).describe('Registry and name.'),
  tag: z.string().max(128).default(tag).describe(tagDescription),
  digest: z
    .string()
    .regex(/^(sha256:[0-9a-f]{64})?$/)
    .default('')
    .describe('Pins it; goes before the tag.'),
  pullPolicy: z
    .enum(['Always', 'IfNotPresent', 'Never'])
    .default('IfNotPresent')
    .describe('When it is pulled.'),
});

export { anyFields, anyList, texts };
