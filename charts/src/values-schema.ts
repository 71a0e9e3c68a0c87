import { settingsSchema } from '@sluice/mta/config';
import { z } from 'zod';
import {
  anyFields,
  containerPort,
  imageFields,
  name,
  network,
  optional,
  podFields,
  port,
  replicaFields,
  secretName,
  serviceAccount,
  size,
  texts,
} from './values-fields.ts';

/**
 * The values of the chart: every field, its bounds, its default, its meaning. The one source of values.yaml, values.schema.json and docs/reference/chart.md, which
 * `node charts/src/write-chart.ts` writes.
 */

/** What the chart writes into sluice.yaml itself. */
const {
  listeners: _,
  spool: __,
  resources: ___,
  drainTimeout: ____,
  ...settingsFields
} = settingsSchema.shape.spec.shape;

const image = z
  .strictObject({
    ...imageFields('sluice', '', "Tag; empty = the chart's `appVersion`."),
    pullSecrets: z
      .array(z.strictObject({ name: name.describe('Name of a Secret.') }))
      .default([])
      .describe('Secrets for the registry.'),
  })
  .prefault({})
  .describe('The image of operator, MTA and sink, made from the Dockerfile of the repository.');

const trial = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe(
        'All mail goes to a sink that discards it, whatever the resources say: nothing leaves the cluster. Set it to false once there are EgressPools with addresses of yours.',
      ),
    sink: z
      .strictObject({
        provider: z
          .enum(['plain', 'gmail', 'yahoo', 'outlook', 'microsoft-365', 'small'])
          .default('plain')
          .describe('Whose replies it gives; `gmail` pushes back as Gmail does.'),
        resources: podFields({ cpu: '50m', memory: '96Mi' }, { memory: '256Mi' }).resources,
      })
      .prefault({})
      .describe('The sink beside each pod.'),
  })
  .prefault({})
  .describe('Trial mode: the default until you have said from which addresses mail leaves.');

const crds = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Installs and upgrades the two CRDs. False where somebody else does (crds/generated).'),
    keep: z
      .boolean()
      .default(true)
      .describe(
        '`helm uninstall` leaves them, and with them every EgressPool and ShapingPolicy of the cluster.',
      ),
  })
  .prefault({})
  .describe('The CustomResourceDefinitions.');

const operator = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('False where one of another release looks after this namespace.'),
    scope: z
      .enum(['Namespace', 'AllNamespaces'])
      .default('Namespace')
      .describe(
        '`Namespace`: a Role, nothing outside the namespace of the release. `AllNamespaces`: a ClusterRole, and each namespace with resources has its own configuration.',
      ),
    name: z
      .string()
      .regex(/^([a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?)?$/)
      .default('')
      .meta({ form: 'name' })
      .describe(
        'First part of the names of its ConfigMaps and its Lease; empty = the full name of the release.',
      ),
    replicas: z.int().min(0).max(10).default(2).describe('One writes, the others stand by.'),
    providers: z
      .enum(['Enabled', 'Disabled'])
      .default('Enabled')
      .describe(
        'The provider library: limits of Google, Microsoft, Yahoo and others, below every policy of yours.',
      ),
    baseline: texts
      .default({})
      .describe(
        'Resources below those of the cluster, file name → YAML: one in the cluster of the same kind and name takes its place.',
      ),
    logLevel: z
      .enum(['debug', 'info', 'warn', 'error'])
      .default('info')
      .describe('Least important lines shown.'),
    serviceAccount,
    ...podFields({ cpu: '50m', memory: '128Mi' }, { memory: '512Mi' }),
    ...replicaFields,
  })
  .prefault({})
  .describe('The operator.');

const listener = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/)
    .meta({ form: 'name of at most 15' })
    .describe('Name in logs, and of the port.'),
  port: containerPort.describe('Port in the pod; without rights it is 1024 or more.'),
  servicePort: port.describe('Port of the Service.'),
  hostname: optional(z.string().min(1).describe('Name in the greeting; absent = `mta.settings.hostname`.')),
  tls: optional(
    z
      .strictObject({
        mode: z
          .enum(['StartTls', 'Implicit'])
          .default('StartTls')
          .describe('STARTTLS, or TLS from the first byte.'),
        secretName: name.describe(
          'Secret of type `kubernetes.io/tls`, as cert-manager makes it. A renewal needs no restart.',
        ),
      })
      .describe('Absent = no encryption is offered.'),
  ),
  auth: optional(
    z
      .strictObject({
        secretName: name.describe('Secret with the file of users.'),
        key: z
          .string()
          .default('users.yaml')
          .describe('Its key: a YAML list of `{username, password, tenant}`.'),
        requireTls: z
          .enum(['Enabled', 'Disabled'])
          .default('Enabled')
          .describe('`Disabled` takes passwords in the clear.'),
      })
      .describe('Absent = no AUTH is offered.'),
  ),
  relayNetworks: z
    .array(network)
    .default([])
    .describe(
      'Client addresses that may send without AUTH. In trial mode, where a listener has neither these nor users, all private networks. Never the address that the cluster puts in place of all clients.',
    ),
  proxyProtocol: optional(
    z
      .strictObject({
        trustedNetworks: z.array(network).min(1).describe('Load balancers that are believed.'),
      })
      .describe('Absent = no PROXY header is understood.'),
  ),
  limits: optional(settingsFieldOf('limits').describe('As `spec.listeners.smtp[].limits` of sluice.yaml.')),
  bareLineEnding: optional(settingsFieldOf('bareLineEnding').describe('As in sluice.yaml.')),
  dsn: optional(settingsFieldOf('dsn').describe('As in sluice.yaml.')),
  headers: optional(settingsFieldOf('headers').describe('As in sluice.yaml.')),
});

function settingsFieldOf(field: 'limits' | 'bareLineEnding' | 'dsn' | 'headers') {
  return settingsSchema.shape.spec.shape.listeners.shape.smtp.element.shape[field].unwrap();
}

const smtp = z
  .strictObject({
    listeners: z
      .array(listener)
      .min(1)
      .max(10)
      .default([{ name: 'smtp', port: 2525, servicePort: 25, relayNetworks: [] }])
      .describe('Where applications hand in mail.'),
    service: z
      .strictObject({
        type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']).default('ClusterIP').describe('Its type.'),
        annotations: texts.default({}).describe('Its annotations, for load balancers.'),
        externalTrafficPolicy: z
          .enum(['Cluster', 'Local'])
          .default('Local')
          .describe('`Local` keeps the addresses of clients; for NodePort and LoadBalancer.'),
        loadBalancerClass: z.string().default('').describe('Its class.'),
        loadBalancerSourceRanges: z.array(network).default([]).describe('Networks that may connect.'),
      })
      .prefault({})
      .describe('The Service in front of the listeners. The admin address is in none.'),
  })
  .prefault({})
  .describe('Handing in mail.');

const mta = z
  .strictObject({
    enabled: z.boolean().default(true).describe('False for a release that is an operator alone.'),
    configName: z
      .string()
      .default('')
      .describe(
        'Whose ConfigMaps the pods follow: `operator.name` of the release with the operator; empty = this one.',
      ),
    replicas: z
      .int()
      .min(0)
      .max(1000)
      .default(2)
      .describe('Pods; ignored where something scales them. Nothing is on them.'),
    autoscaling: z
      .strictObject({
        enabled: z.boolean().default(false).describe('Whether there is a HorizontalPodAutoscaler.'),
        external: z
          .boolean()
          .default(false)
          .describe('Something else scales, such as KEDA: the chart says no number of pods.'),
        minReplicas: z.int().min(1).default(2).describe('At least.'),
        maxReplicas: z.int().min(1).default(10).describe('At most.'),
        targetCPUUtilizationPercentage: z
          .int()
          .min(1)
          .max(1000)
          .default(70)
          .describe('Of `resources.requests.cpu`.'),
      })
      .prefault({})
      .describe('By CPU. By the queue: see the guide, with its caveat.'),
    settings: z
      .strictObject(settingsFields)
      .partial()
      .default({})
      .describe(
        'The rest of sluice.yaml (docs/reference/settings.md): hostname, tenants, classes, credentials, dkim, dsn, events, dns, log …. Files of Secrets are below /etc/sluice/secrets, see `mta.secrets`.',
      ),
    secrets: z
      .array(
        z.strictObject({
          name: name.describe('Directory below /etc/sluice/secrets.'),
          secretName: name.describe('The Secret.'),
          optional: z.boolean().default(false).describe('Pods start without it too.'),
        }),
      )
      .max(50)
      .default([])
      .describe(
        'Secrets that are mounted for settings: DKIM keys, passwords of proxies, client certificates.',
      ),
    drainSeconds: z
      .int()
      .min(1)
      .max(600)
      .default(60)
      .describe('How long a stop waits for open transactions; `terminationGracePeriodSeconds` follows.'),
    preStopSeconds: z
      .int()
      .min(0)
      .max(60)
      .default(5)
      .describe('How long a pod still listens after it is told to stop, until every node knows.'),
    mountedShards: z
      .int()
      .min(0)
      .max(64)
      .default(4)
      .describe(
        "ConfigMaps of the operator that are mounted too, for a start while the API server is away; a power of two, at least the operator's `sluice_operator_config_shards`. 0 = none.",
      ),
    serviceAccount,
    ...podFields({ cpu: '500m', memory: '512Mi' }, { memory: '1Gi' }),
    ...replicaFields,
  })
  .prefault({})
  .describe('The pods that take mail and send it.');

const nats = z
  .strictObject({
    servers: z
      .array(
        z
          .string()
          .regex(/^(nats|tls):\/\/[^\s@/]+$/)
          .meta({ form: 'nats://host:port' }),
      )
      .max(20)
      .default([])
      .describe(
        'Your NATS cluster. Empty = the chart runs one server of its own, with one copy of the mail: for trials and small services.',
      ),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,32}$/)
      .default('sluice')
      .describe('Begins every subject and stream name: two releases on one NATS account need two.'),
    durability: z
      .enum(['Single', 'Replicated', 'Synced'])
      .default('Replicated')
      .describe('As `spec.spool.jetstream.durability`; `Single` on the server of the chart.'),
    maxBytes: size.default('1Gi').describe('Room for new mail, reserved when the streams are made.'),
    maxDeferredBytes: size.default('1Gi').describe('Room for mail that waits longer.'),
    journalBytes: size.default('256Mi').describe('Room for outcomes.'),
    spoolStreams: z
      .int()
      .min(1)
      .max(32)
      .default(4)
      .describe('Streams for new mail. Fixed once they are made.'),
    streams: z.enum(['Create', 'Check']).default('Create').describe('`Check` = somebody else makes them.'),
    credentials: z
      .strictObject({
        type: z
          .enum(['None', 'Password', 'Token', 'NKey', 'Creds'])
          .default('None')
          .describe('How pods log in at `servers`. `Password` needs `user`.'),
        user: z.string().max(256).default('').describe('User name.'),
        secretName: secretName.describe('Secret that holds it.'),
        key: z.string().default('').describe('Its key; empty = `password`, `token`, `seed` or `user.creds`.'),
      })
      .prefault({})
      .describe('Credentials, from a Secret.'),
    tls: z
      .strictObject({
        secretName: secretName.describe('Secret with `ca.crt`; empty = the roots of Node.js.'),
        clientCertificate: z
          .boolean()
          .default(false)
          .describe('The Secret has `tls.crt` and `tls.key` too, for servers that verify clients.'),
      })
      .prefault({})
      .describe('TLS towards `servers`.'),
    server: z
      .strictObject({
        image: z
          .strictObject(imageFields('docker.io/library/nats', '2.15.2-alpine', 'Tag.'))
          .prefault({})
          .describe('Its image.'),
        storage: z
          .strictObject({
            type: z
              .enum(['EmptyDir', 'PersistentVolumeClaim'])
              .default('EmptyDir')
              .describe('`EmptyDir` loses all mail with the pod, so it is taken in trial mode only.'),
            size: size
              .default('5Gi')
              .describe('Must hold `maxBytes`, `maxDeferredBytes`, `journalBytes` and events.'),
            storageClassName: z.string().default('').describe("Class; empty = the cluster's default."),
          })
          .prefault({})
          .describe('Where it keeps mail.'),
        ...podFields({ cpu: '100m', memory: '128Mi' }, { memory: '512Mi' }),
      })
      .prefault({})
      .describe('The server of the chart, where `servers` is empty.'),
  })
  .prefault({})
  .describe('NATS JetStream, which keeps the mail.');

export const valuesSchema = z
  .strictObject({
    fullnameOverride: z
      .string()
      .regex(/^([a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?)?$/)
      .default('')
      .meta({ form: 'name of at most 40' })
      .describe('First part of all names; empty = the release, with `sluice` unless it has it.'),
    clusterDomain: z.string().min(1).default('cluster.local').describe('Domain of the names of Services.'),
    listenAddress: z
      .enum(['0.0.0.0', '::'])
      .default('0.0.0.0')
      .describe('Address in the pods that they listen on; `::` where the cluster has IPv6.'),
    image,
    trial,
    crds,
    operator,
    smtp,
    mta,
    nats,
    networkPolicy: z
      .strictObject({
        enabled: z
          .boolean()
          .default(true)
          .describe(
            'NetworkPolicies: SMTP and probes from everywhere, NATS and sink from the MTA only. What leaves is not restricted.',
          ),
      })
      .prefault({})
      .describe('Who may connect to the pods.'),
    podSecurity: z
      .strictObject({
        runAsUser: z
          .union([z.int().min(1), z.literal('Assigned')])
          .default(10_001)
          .meta({ form: 'number or `Assigned`' })
          .describe(
            'User and group of all processes. `Assigned` leaves it to the cluster, as OpenShift wants it.',
          ),
      })
      .prefault({})
      .describe('All pods keep to the `restricted` Pod Security Standard; this is what may differ.'),
    rbac: z
      .strictObject({
        aggregate: z
          .boolean()
          .default(true)
          .describe(
            'Adds EgressPools and ShapingPolicies to the roles `view`, `edit` and `admin` of the cluster.',
          ),
      })
      .prefault({})
      .describe('Rights of people.'),
    monitoring: z
      .strictObject({
        serviceMonitor: z
          .strictObject({
            enabled: z
              .boolean()
              .default(false)
              .describe('Whether there are ServiceMonitors (prometheus-operator).'),
            interval: z
              .string()
              .regex(/^[0-9]+(s|m)$/)
              .default('30s')
              .meta({ form: 'duration' })
              .describe('Time between scrapes.'),
            labels: texts.default({}).describe('Labels that your Prometheus selects by.'),
          })
          .prefault({})
          .describe('For prometheus-operator.'),
      })
      .prefault({})
      .describe('Metrics: Services of their own, without SMTP.'),
    global: optional(anyFields.describe('For charts that have this one as a dependency; not read.')),
  })
  .describe('Values of the chart.');

export type Values = z.infer<typeof valuesSchema>;
