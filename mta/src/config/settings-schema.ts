import { z } from 'zod';
import { SERVICE_ACCOUNT_DIRECTORY } from './config-map-settings.ts';
import * as defaults from './defaults.ts';
import { dkimSchema } from './dkim-schema.ts';
import { eventStreamSchema } from './event-stream-schema.ts';
import { jetStreamSchema } from './jetstream-schema.ts';
import {
  byteSize,
  duration,
  hostName,
  hostPort,
  mailbox,
  name,
  network,
  optional,
  passwordFields,
} from './settings-fields.ts';

/**
 * The file `sluice.yaml` as a user writes it: every field, its bounds, its default, its meaning. The one source of
 * docs/reference/settings.md. What rooms receive is {@link Settings}, made from this in `resolve-settings.ts`.
 */

const tlsLevel = z.enum(['Disabled', 'Opportunistic', 'Encrypt', 'Verify']);

const user = z.strictObject({
  username: z.string().min(1).max(256).describe('Name that the client gives in AUTH.'),
  ...passwordFields,
  tenant: optional(
    name.describe('Tenant of all mail of this user; the alternative is `tenants[].authUsers`.'),
  ),
});
export type UserInFile = z.infer<typeof user>;

/** The file that `usersFile` names: a list of users. */
export const usersFileSchema = z.array(user);

const listenerTls = z.strictObject({
  mode: z
    .enum(['StartTls', 'Implicit'])
    .default('StartTls')
    .describe('STARTTLS (RFC 3207) or TLS from the first byte (RFC 8314).'),
  certificateFile: z
    .string()
    .min(1)
    .describe('Certificate chain, PEM. Another one is taken up without restart.'),
  keyFile: z.string().min(1).describe('Private key, PEM. Another one is taken up without restart.'),
});

const listenerAuth = z.strictObject({
  requireTls: z
    .enum(['Enabled', 'Disabled'])
    .default('Enabled')
    .describe('`Disabled` accepts passwords on connections that are not encrypted.'),
  users: z.array(user).max(10_000).default([]).describe('Users written here.'),
  usersFile: optional(
    z
      .string()
      .min(1)
      .describe(
        'File with a YAML list of users, in the same form; for Secrets. A change is taken up without restart.',
      ),
  ),
});

const listenerLimits = z.strictObject({
  maxMessageBytes: byteSize({ min: 1024, max: 2 ** 30 })
    .default(defaults.MAX_MESSAGE_BYTES)
    .describe('Largest message; more is refused with 552 5.3.4. Announced as SIZE.'),
  maxRecipients: z
    .int()
    .min(1)
    .max(100_000)
    .default(defaults.MAX_RECIPIENTS)
    .describe(
      'Recipients of one message; more are refused with 452 4.5.3. RFC 5321 §4.5.3.1.8 asks for at least 100.',
    ),
  maxConnections: z
    .int()
    .min(1)
    .max(100_000)
    .default(defaults.MAX_CONNECTIONS)
    .describe('Open connections; more are refused with 421 4.3.2.'),
  maxConnectionsPerClient: z
    .int()
    .min(1)
    .max(100_000)
    .default(defaults.MAX_CONNECTIONS_PER_CLIENT)
    .describe('Open connections of one client address.'),
  maxMessagesPerConnection: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(defaults.MAX_MESSAGES_PER_CONNECTION)
    .describe('After so many the connection ends with 421: clients spread over pods again.'),
  idleTimeout: duration({ min: '1s', max: '1h' })
    .default(defaults.IDLE_TIMEOUT_MS)
    .describe(
      'A client that sends no command for so long reads 421. RFC 5321 §4.5.3.2.7 asks for at least 5m.',
    ),
  commandTimeout: duration({ min: '1s', max: '1h' })
    .default(defaults.COMMAND_TIMEOUT_MS)
    .describe('Longest pause inside a command or the message data.'),
});

const listenerHeaders = z.strictObject({
  tenant: name
    .default(defaults.TENANT_HEADER)
    .describe('Header that names the tenant; taken from the message before it is stored.'),
  campaign: name.default(defaults.CAMPAIGN_HEADER).describe('Header that names the campaign; taken out too.'),
  class: name.default(defaults.CLASS_HEADER).describe('Header that names the class; taken out too.'),
});

const reports = z.enum(['Enabled', 'OnRequest']);

const smtpListener = z.strictObject({
  name: name.describe('Name in logs and events.'),
  address: hostPort.describe('Address to listen on; port 0 lets the system choose.'),
  hostname: optional(
    hostName.describe('Name in the greeting, in EHLO and in Received; the default is `spec.hostname`.'),
  ),
  tls: optional(listenerTls.describe('Absent = no encryption is offered.')),
  auth: optional(listenerAuth.describe('Absent = no AUTH is offered.')),
  relayNetworks: z
    .array(network)
    .max(1_000)
    .default([])
    .describe(
      'Client addresses that may hand in mail without AUTH. Never list the address that the cluster itself puts in place of all clients.',
    ),
  proxyProtocol: optional(
    z
      .strictObject({
        trustedNetworks: z
          .array(network)
          .min(1)
          .max(1_000)
          .describe('Load balancers whose PROXY header (v1, v2) is believed.'),
      })
      .describe('Absent = no PROXY header is understood.'),
  ),
  limits: listenerLimits.prefault({}).describe('Bounds of this listener.'),
  bareLineEnding: z
    .enum(['Reject', 'Normalize'])
    .default('Reject')
    .describe(
      'A CR or LF alone in a message: refuse the message, or make it CRLF before it is stored and signed.',
    ),
  dsn: z
    .enum(['Enabled', 'Disabled'])
    .default('Enabled')
    .describe(
      'Offers DSN (RFC 3461) in EHLO: clients may say which reports they want. Not offered while `spec.dsn.reports` is `Disabled`.',
    ),
  headers: listenerHeaders
    .prefault({})
    .describe('Names of the headers by which an authorised client steers its mail.'),
});

const spool = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('SQLite').describe('Kind of store.'),
    sqlite: z
      .strictObject({
        path: z.string().min(1).describe('Database file; its directory must be on a local disk.'),
        minFreeBytes: byteSize({ min: 0, max: 2 ** 50 })
          .default(defaults.MIN_FREE_BYTES)
          .describe('Below so much free disk, mail is refused with 452 4.3.1.'),
      })
      .describe('The embedded store.'),
  }),
  z.strictObject({
    type: z.literal('JetStream').describe('Kind of store.'),
    jetstream: jetStreamSchema.describe('NATS: nothing is on the pod.'),
  }),
]);

const routeHost = z.strictObject({
  host: z.string().min(1).max(253).describe('Host name or address.'),
  port: optional(z.int().min(1).max(65_535).describe('The default is `spec.smtpPort`.')),
  preference: z
    .int()
    .min(0)
    .max(65_535)
    .default(defaults.ROUTE_PREFERENCE)
    .describe('As in MX: lower goes first, equal ones share.'),
  username: optional(z.string().min(1).max(256).describe('Log in with AUTH under this name.')),
  ...passwordFields,
});

const route = z.strictObject({
  domain: z
    .string()
    .min(1)
    .max(255)
    .describe(
      '`example.com` = that domain; `*.example.com` = every domain below it; `*` = all. The most exact one applies.',
    ),
  hosts: z.array(routeHost).min(1).max(100).describe('Hosts used instead of the MX of the domain.'),
  tls: optional(
    z
      .strictObject({ level: tlsLevel.describe('Replaces the level of the policy.') })
      .describe('TLS to these hosts.'),
  ),
});

const tenant = z.strictObject({
  name: name.describe('What policies and pools call it.'),
  labels: z
    .record(z.string().min(1).max(317), z.string().max(63))
    .default({})
    .describe('For `tenantSelector`.'),
  authUsers: z
    .array(z.string().min(1))
    .max(10_000)
    .default([])
    .describe('AUTH users whose mail belongs to it.'),
  senderDomains: z
    .array(hostName)
    .max(100_000)
    .default([])
    .describe('Domains of the reverse-path whose mail belongs to it, where AUTH did not say.'),
  reports: optional(reports.describe('Replaces `spec.dsn.reports` for its mail.')),
});

const certificate = z.strictObject({
  name: name.describe('What `session.tls.clientCertificateName` of a ShapingPolicy calls it.'),
  certificateFile: z
    .string()
    .min(1)
    .describe('Certificate chain, PEM. Another one is taken up without restart.'),
  keyFile: z.string().min(1).describe('Private key, PEM. Another one is taken up without restart.'),
});

const credential = z.strictObject({
  name: name.describe('What `credentialName` of an EgressPool calls it.'),
  username: z.string().min(1).max(255).describe('User name towards the proxy (RFC 1929).'),
  ...passwordFields,
});

const mailClass = z.strictObject({
  name: name.describe('What headers, policies and pools call it.'),
  priority: z.int().min(-1000).max(1000).default(0).describe('Higher leaves first.'),
});

const spec = z.strictObject({
  hostname: optional(
    hostName.describe('Name of this MTA towards clients; the default is that of the machine.'),
  ),
  listeners: z
    .strictObject({
      smtp: z.array(smtpListener).min(1).max(100).describe('Where clients hand in mail.'),
      admin: z
        .strictObject({
          address: hostPort
            .default(defaults.ADMIN_ADDRESS)
            .describe('Serves /livez, /readyz, /metrics and /queue, without passwords.'),
        })
        .prefault({})
        .describe('For probes, Prometheus and the command line.'),
      probes: optional(
        z
          .strictObject({
            address: hostPort.describe('Serves /livez, /readyz and /metrics, and nothing else.'),
          })
          .describe(
            'A second address for probes and Prometheus, which others may reach: who reaches `admin` may suspend mail.',
          ),
      ),
    })
    .describe('What this MTA listens on.'),
  spool: spool.describe('Where accepted mail lives until its last recipient is done.'),
  memory: z
    .strictObject({
      maxBytes: optional(
        byteSize({ min: 64 * 2 ** 20, max: 2 ** 50 }).describe(
          'Memory this MTA may use; the default is the limit of the container, else the memory of the machine.',
        ),
      ),
      lowWaterPercent: z
        .int()
        .min(10)
        .max(100)
        .default(defaults.MEMORY_LOW_WATER_PERCENT)
        .describe('Above this share of it, mail is refused with 452 4.3.1.'),
    })
    .prefault({})
    .describe('Memory bounds.'),
  dns: z
    .strictObject({
      servers: z
        .array(hostPort)
        .max(10)
        .default([])
        .describe('Resolvers; the default is what the system uses.'),
      timeout: duration({ min: '100ms', max: '30s' })
        .default(defaults.DNS_TIMEOUT_MS)
        .describe('Wait for one answer.'),
      attempts: z
        .int()
        .min(1)
        .max(10)
        .default(defaults.DNS_ATTEMPTS)
        .describe('Questions asked before giving up.'),
    })
    .prefault({})
    .describe('Look-ups of MX and addresses.'),
  targets: z
    .strictObject({
      allow: z
        .array(network)
        .max(1_000)
        .default([])
        .describe('Networks that may be connected to although they are loopback, private or reserved.'),
    })
    .prefault({})
    .describe('Where mail may be delivered to.'),
  smtpPort: z
    .int()
    .min(1)
    .max(65_535)
    .default(defaults.SMTP_PORT)
    .describe('Port of the hosts that MX records name; only tests change it.'),
  routes: z
    .array(route)
    .max(10_000)
    .default([])
    .describe('Domains that do not follow their MX: smart hosts and tests.'),
  tenants: z.array(tenant).max(100_000).default([]).describe('Customers, teams: whose mail it is.'),
  classes: z
    .array(mailClass)
    .max(100)
    .default([])
    .describe('Kinds of mail; a message without one has priority 0.'),
  credentials: z
    .array(credential)
    .max(1_000)
    .default([])
    .describe(
      'User names and passwords for egress proxies. A changed password file is taken up without restart.',
    ),
  certificates: z
    .array(certificate)
    .max(1_000)
    .default([])
    .describe(
      'Client certificates for hosts that ask for one. Files that change are taken up by the next connection, at most 10s later.',
    ),
  egress: z
    .strictObject({
      proxyCaFile: optional(
        z
          .string()
          .min(1)
          .describe(
            'Certificates (PEM) of the authorities that egress proxies with `tls: Verify` are trusted by; the default is the list that comes with Node. Read at the start.',
          ),
      ),
    })
    .prefault({})
    .describe('What all ways out have in common.'),
  dkim: dkimSchema.prefault({}).describe('DKIM signatures (RFC 6376), made when a message is accepted.'),
  dsn: z
    .strictObject({
      reports: z
        .enum([...reports.options, 'Disabled'])
        .default('Enabled')
        .describe(
          'Messages to senders about their mail (DSN, bounces). `Enabled`: failures, and what NOTIFY asks for. `OnRequest`: only what NOTIFY asks for. `Disabled`: none.',
        ),
      from: optional(
        mailbox.describe('Address that they come from; the default is `MAILER-DAEMON@` and `spec.hostname`.'),
      ),
      delayed: z
        .enum(['OnRequest', 'Always'])
        .default('OnRequest')
        .describe(
          '`Always`: delays are reported too unless NOTIFY says otherwise. Costs about 300 bytes of memory for each message queued.',
        ),
      delayedAfter: duration({ min: '1s', max: '720h' })
        .default(defaults.DELAYED_AFTER_MS)
        .describe('When a message that is still queued is late.'),
      maxReturnedBytes: byteSize({ min: 0, max: 2 ** 26 })
        .default(defaults.MAX_RETURNED_BYTES)
        .describe('Largest message that RET=FULL returns; of a larger one the header is.'),
    })
    .prefault({})
    .describe('Reports to senders, see the guide on reports.'),
  resources: z
    .strictObject({
      directory: z
        .string()
        .min(1)
        .exactOptional()
        .describe(
          'Directory of the YAML files with EgressPool and ShapingPolicy resources, those in directories below it included; it is watched. This or `configMaps`.',
        ),
      configMaps: z
        .strictObject({
          release: z
            .string()
            .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
            .max(50)
            .default('sluice')
            .describe('What the operator was given as `--name`.'),
          namespace: z
            .string()
            .min(1)
            .exactOptional()
            .describe('Namespace of the ConfigMaps. Default: that of the service account.'),
          mountDirectory: z
            .string()
            .min(1)
            .exactOptional()
            .describe(
              'Directory in which they are mounted too, each in a directory of its own: for a start while the API server is away.',
            ),
          serviceAccountDirectory: z
            .string()
            .min(1)
            .default(SERVICE_ACCOUNT_DIRECTORY)
            .describe(
              'Directory of `ca.crt`, `namespace` and `token`; the token is read again for each request.',
            ),
        })
        .exactOptional()
        .describe(
          'In Kubernetes: the ConfigMaps that `sluice-operator` writes, in place of `directory`. They hold the provider library if the operator has it.',
        ),
      providers: z
        .enum(['Enabled', 'Disabled'])
        .default('Enabled')
        .describe(
          'The provider library that comes with Sluice: limits of Google, Microsoft, Yahoo and others at priority -1000, below every policy of yours.',
        ),
    })
    .describe('The egress configuration.'),
  drainTimeout: duration({ min: '1s', max: '10m' })
    .default(defaults.DRAIN_TIMEOUT_MS)
    .describe(
      'How long a stop (SIGTERM) waits for open transactions. Two seconds more must pass before the supervisor kills.',
    ),
  log: z
    .strictObject({
      level: z
        .enum(['Debug', 'Info', 'Warn', 'Error'])
        .default('Info')
        .describe('Least important lines that are shown.'),
      format: z
        .enum(['JSON', 'Text'])
        .default('JSON')
        .describe('One JSON object a line, or text for people.'),
    })
    .prefault({})
    .describe('The log, on standard error.'),
  events: z
    .strictObject({
      stdout: z.enum(['Enabled', 'Disabled']).default('Disabled').describe('JSON lines on standard output.'),
      file: optional(z.string().min(1).describe('JSON lines appended to this file.')),
      jetstream: optional(eventStreamSchema.describe('A stream on NATS that keeps them for consumers.')),
    })
    .prefault({})
    .describe('One event per fact, see events.md.'),
});

export const settingsSchema = z.strictObject({
  apiVersion: z.literal('sluice.email/v1alpha1').describe('Version of this form.'),
  kind: z.literal('MtaConfig').describe('What this file is.'),
  spec: spec.describe('The settings.'),
});

export type SettingsInFile = z.infer<typeof settingsSchema>;
