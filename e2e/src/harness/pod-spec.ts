import { z } from 'zod';

/** As much of a Pod as the tests' kubelet carries out. A member that it does not know is no error: the API server has checked the whole. */
const keyToPath = z.object({ key: z.string(), path: z.string() });
const objectSource = z.object({
  name: z.string(),
  optional: z.boolean().optional(),
  items: z.array(keyToPath).optional(),
});
const downward = z.object({
  items: z.array(z.object({ path: z.string(), fieldRef: z.object({ fieldPath: z.string() }) })),
});
const projection = z.object({
  configMap: objectSource.optional(),
  secret: objectSource.optional(),
  downwardAPI: downward.optional(),
  serviceAccountToken: z.object({ path: z.string(), expirationSeconds: z.number().optional() }).optional(),
});
/** 0644, as everywhere in Kubernetes. */
const defaultMode = z.number().default(0o644);
const volume = z.object({
  name: z.string(),
  configMap: objectSource.extend({ defaultMode }).optional(),
  secret: z
    .object({
      defaultMode,
      secretName: z.string(),
      optional: z.boolean().optional(),
      items: z.array(keyToPath).optional(),
    })
    .optional(),
  projected: z.object({ defaultMode, sources: z.array(projection) }).optional(),
  emptyDir: z.object({}).optional(),
});
const probe = z.object({
  httpGet: z.object({ path: z.string(), port: z.union([z.string(), z.number()]) }),
  periodSeconds: z.number().default(10),
});
const container = z.object({
  name: z.string(),
  command: z.array(z.string()),
  args: z.array(z.string()).default([]),
  env: z.array(z.object({ name: z.string(), value: z.string().default('') })).default([]),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })).default([]),
  /** `Always` makes an init container a sidecar; the tests' kubelet knows no other ones. */
  restartPolicy: z.literal('Always').optional(),
  readinessProbe: probe.optional(),
  lifecycle: z
    .object({ preStop: z.object({ sleep: z.object({ seconds: z.number() }).optional() }).optional() })
    .optional(),
});
export const podSchema = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    deletionTimestamp: z.string().optional(),
    deletionGracePeriodSeconds: z.number().optional(),
  }),
  spec: z.object({
    nodeName: z.string().optional(),
    serviceAccountName: z.string().default('default'),
    restartPolicy: z.string().default('Always'),
    terminationGracePeriodSeconds: z.number().default(30),
    securityContext: z
      .object({ runAsUser: z.number().optional(), fsGroup: z.number().optional() })
      .default({}),
    volumes: z.array(volume).default([]),
    initContainers: z.array(container).default([]),
    containers: z.array(container),
  }),
});

export type Pod = z.infer<typeof podSchema>;
export type Container = z.infer<typeof container>;
export type Volume = z.infer<typeof volume>;
export type Probe = z.infer<typeof probe>;
export type ObjectSource = z.infer<typeof objectSource>;

export const podListSchema = z.object({ items: z.array(podSchema) });

/** What ConfigMaps and Secrets hold. */
export const heldSchema = z.object({
  data: z.record(z.string(), z.string()).default({}),
  binaryData: z.record(z.string(), z.string()).default({}),
});
