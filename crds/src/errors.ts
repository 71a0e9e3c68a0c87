/**
 * Every error that a user can see, in one table: a stable code, what happened, what to do.
 * `{name}` in a text is replaced by the parameter of that name. Documented in docs/reference/errors.md (generated).
 */
export const ERRORS = {
  SLUICE_CERTIFICATE_UNUSABLE: {
    what: 'The certificate {certificate} of spec.certificates cannot be used: {reason}.',
    cure: 'Give a PEM certificate chain and the PEM private key that belongs to it, both readable by this process.',
  },
  SLUICE_CONFIG_UNREADABLE: {
    what: 'Cannot read {file}: {reason}.',
    cure: 'Check that the path is right and that the user that runs sluice may read it.',
  },
  SLUICE_CLUSTER_ACCESS: {
    what: 'There is no way into a cluster: {reason}.',
    cure: 'Give --kubeconfig, or run in a pod with a service account whose token is mounted.',
  },
  SLUICE_GIVEN_RESOURCES: {
    what: 'The resources that come with the installation cannot be used: {reason}',
    cure: 'Correct the file; `sluice validate` shows all its mistakes. The operator does not start without them.',
  },
  SLUICE_SPOOL_LOCKED: {
    what: 'The spool {file} is in use by another process ({reason}).',
    cure: 'Stop the other sluice, or give this one a path of its own: spec.spool.sqlite.path in sluice.yaml.',
  },
  SLUICE_SPOOL_FOREIGN: {
    what: 'The file {file} is no spool of Sluice: {reason}.',
    cure: 'Correct spec.spool.sqlite.path in sluice.yaml; the file was not touched.',
  },
  SLUICE_SPOOL_VERSION: {
    what: 'The spool {file} was written by another version of Sluice: {reason}.',
    cure: 'Start the version that wrote it and let it drain, or give this one another path: spec.spool.sqlite.path in sluice.yaml.',
  },
  SLUICE_SPOOL_CORRUPT: {
    what: 'The spool {file} is damaged: {reason}.',
    cure: 'Check the disk. Keep the file, start with another path, and let `sqlite3 FILE .recover` save what can be read.',
  },
  SLUICE_SPOOL_UNUSABLE: {
    what: 'The spool {file} cannot be opened: {reason}.',
    cure: 'Check that its directory exists on a local disk with free space and that the user that runs sluice may write there.',
  },
  SLUICE_NATS_UNREACHABLE: {
    what: 'Cannot reach NATS at {servers}: {reason}.',
    cure: 'Check spec.spool.jetstream.servers and tls in sluice.yaml, that nats-server runs, and that the network lets this pod reach it.',
  },
  SLUICE_NATS_REFUSED: {
    what: 'NATS at {servers} refuses this user: {reason}.',
    cure: 'Correct spec.spool.jetstream.credentials in sluice.yaml, or the user on the server.',
  },
  SLUICE_NATS_TOO_OLD: {
    what: 'NATS at {servers} is version {version}.',
    cure: 'Update nats-server: {least} is the least that Sluice works with.',
  },
  SLUICE_NATS_UNUSABLE: {
    what: 'NATS cannot hold the spool: {reason}.',
    cure: '{cure}',
  },
  SLUICE_NATS_STREAM: {
    what: 'The stream {stream} has {field} {found}; Sluice needs {wanted}.',
    cure: '{cure}',
  },
  SLUICE_DIRECTIVE_NOT_STORED: {
    what: 'What was ordered was not stored: {reason}.',
    cure: '{cure}',
  },
  SLUICE_EVENTS_FILE_UNWRITABLE: {
    what: 'Cannot open {file} for events: {reason}.',
    cure: 'Correct spec.events.file in sluice.yaml, or let the user that runs sluice write there.',
  },
  SLUICE_WORKERS_IMPOSSIBLE: {
    what: 'Several workers cannot run with these settings: {reason}.',
    cure: '{cure}',
  },
  SLUICE_WORKER_FAILED: {
    what: 'A worker ended before it was ready: {how}.',
    cure: 'It has said why, above.',
  },
  SLUICE_PODS_SILENT: {
    what: 'Not everybody answered: {who}. What is shown is without them.',
    cure: 'A pod that has just ended is named for 20 seconds more. Ask again; then look at its log, and whether NATS lets it answer (docs/reference/commands.md).',
  },
  SLUICE_NOT_HELD: {
    what: 'Not held at {where}: {ids}.',
    cure: '"sluice queue poison" says which MTA holds which message; ask that one (--admin). A message moves when its MTA ends.',
  },
  SLUICE_NATS_NOT_NAMED: {
    what: '{file} names no NATS: it has no {field}.',
    cure: 'Give the settings file of an MTA that has it, or --nats.',
  },
  SLUICE_EVENTS_STREAM_UNUSABLE: {
    what: 'NATS cannot keep events: {reason}.',
    cure: '{cure}',
  },
  SLUICE_DKIM_KEY_FILE: {
    what: 'The DKIM key file {file} cannot be used: {reason}.',
    cure: 'Name another file. A key that is there is never written over: it may be published.',
  },
  SLUICE_DKIM_KEY_UNUSABLE: {
    what: 'No DKIM key for {domain} (selector {selector}): {file}: {reason}.',
    cure: 'Put the private key there: PEM, RSA of 2048 bits or Ed25519, not encrypted, readable for the user that runs sluice. `sluice run --check` looks again.',
  },
  SLUICE_YAML_SYNTAX: {
    what: 'This is not valid YAML: {reason}.',
    cure: 'Correct the syntax here: indent with spaces only, write each key once.',
  },
  SLUICE_YAML_TOO_COMPLEX: {
    what: 'This YAML cannot be expanded: {reason}.',
    cure: 'Write the values out instead of nesting them or repeating them by aliases.',
  },
  SLUICE_RESOURCE_UNKNOWN: {
    what: '{field} must be {expected}, not {given}.',
    cure: '{cure}',
  },
  SLUICE_FIELD_UNKNOWN: {
    what: 'Unknown field "{name}".',
    cure: '{cure}',
  },
  SLUICE_FIELD_REQUIRED: {
    what: '{field} is missing.',
    cure: 'Add it: {expected}.',
  },
  SLUICE_FIELD_INVALID: {
    what: '{field} must be {expected}, not {given}.',
    cure: '{cure}',
  },
  SLUICE_FIELD_REPEATED: {
    what: '{field} is {value} a second time.',
    cure: 'Remove it, or give it another value: entries of one list differ here.',
  },
  SLUICE_FIELD_CONTRADICTION: {
    what: '{field} {reason}.',
    cure: '{cure}',
  },
  SLUICE_EGRESS_ADDRESS_MISSING: {
    what: 'Source "{source}" cannot connect: the address {address} is not on this machine.',
    cure: 'Give the machine (the pod) that address, correct egress.bind.address of the source in its EgressPool, or use egress type Direct.',
  },
  SLUICE_EGRESS_PORTS_EXHAUSTED: {
    what: 'Source "{source}" cannot connect: the address {address} has no free local port.',
    cure: 'Widen net.ipv4.ip_local_port_range, lower the connections of the limits, or add a source.',
  },
  SLUICE_EGRESS_PROXY_UNREACHABLE: {
    what: 'Source "{source}" cannot connect: proxy {proxy}: {reason}.',
    cure: 'Check that the proxy runs, that its name and port are right, and that this machine may connect to it; with tls: Verify also its certificate and spec.egress.proxyCaFile in sluice.yaml.',
  },
  SLUICE_EGRESS_PROXY_REFUSED: {
    what: 'Source "{source}" cannot connect: proxy {proxy}: {reason}.',
    cure: 'Look into the log of the proxy: it must allow this machine, its credentials, the address of the source and the port of the target.',
  },
  SLUICE_EGRESS_CREDENTIAL_MISSING: {
    what: 'Source "{source}" cannot connect: sluice.yaml has no credential "{credential}" for proxy {proxy}.',
    cure: 'Add it to spec.credentials in sluice.yaml, or correct egress.socks5.credentialName in the EgressPool.',
  },
  SLUICE_EGRESS_CONFIG_INVALID: {
    what: 'This is no egress configuration: {reason}.',
    cure: 'Let the operator of the same version write it again; it is not edited by hand.',
  },
  SLUICE_ADMIN_UNREACHABLE: {
    what: 'Cannot ask the MTA at {url}: {reason}.',
    cure: 'Check that it runs, and give its admin address with --admin (spec.listeners.admin.address in sluice.yaml).',
  },
  SLUICE_ADMIN_REFUSED: {
    what: 'The MTA at {url} did not do it: {reason}.',
    cure: '{cure}',
  },
  SLUICE_LISTEN_FAILED: {
    what: 'Cannot listen on {address}: {reason}.',
    cure: 'Check that no other program uses this port, that the address is one of this machine, and that sluice may bind it.',
  },
  SLUICE_TLS_UNUSABLE: {
    what: 'The TLS key or certificate of the listener {listener} cannot be used: {reason}.',
    cure: 'Give a certificate chain and the key that belongs to it, both in PEM.',
  },
  SLUICE_RESOURCE_REFUSED: {
    what: '{resource} is not in force as it stands: {reason}',
    cure: 'Correct it; until then its last good form stays in force, if there was one.',
  },
  SLUICE_CONFIG_SET_MISSING: {
    what: 'There is no whole configuration in the ConfigMaps of {release}: {reason}.',
    cure: 'Check that sluice-operator runs with --name {release} for this namespace, and that the service account of this pod may list and watch ConfigMaps; what was in force last stays so.',
  },
  SLUICE_RESOURCE_FOREIGN: {
    what: '{resource} ({apiVersion}) is not a resource of Sluice and is left out.',
    cure: 'Nothing is wrong with that; apply it with kubectl as before.',
  },
  SLUICE_REFERENCE_UNRESOLVED: {
    what: '{resource}: {reason}',
    cure: 'Correct the name, or add what it names; the rest of the resource is in force.',
  },
  SLUICE_RESOURCE_PARTIAL: {
    what: '{resource}: {reason}',
    cure: 'Leave these fields out, or count on the rest only; a later version carries them out.',
  },
  SLUICE_RESOURCE_CONFLICT: {
    what: '{resource}: {reason}',
    cure: 'Keep one of the two, or give both the same name, so that one refines the other; until then the one named in the message applies.',
  },
  SLUICE_BUG: {
    what: 'Sluice itself failed: {reason}.',
    cure: 'Report this with the lines around it; what was in force before stays in force.',
  },
} as const satisfies Record<string, { readonly what: string; readonly cure: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** Where in what a user wrote the mistake is; line and column count from 1. */
export interface Place {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** Path of the field: `spec.sources[0].weight`. */
  readonly field?: string;
}

/**
 * An error for the user's eyes.
 *
 * Example: `throw new SluiceError('SLUICE_CONFIG_UNREADABLE', { file, reason: 'no such file' }, { file })`
 */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  readonly cure: string;
  readonly place: Place;

  constructor(
    code: ErrorCode,
    parameters: Readonly<Record<string, string | number>>,
    place: Place = {},
    cause?: unknown,
  ) {
    super(fill(ERRORS[code].what, parameters), cause === undefined ? undefined : { cause });
    this.name = 'SluiceError';
    this.code = code;
    this.cure = fill(ERRORS[code].cure, parameters);
    this.place = place;
  }
}

/**
 * The words of an error, for what is told as a value and not thrown.
 *
 * Example: `errorText('SLUICE_FIELD_REQUIRED', { field: 'spec', expected: 'a map' }).what` → `spec is missing.`
 */
export function errorText(
  code: ErrorCode,
  parameters: Readonly<Record<string, string | number>>,
): { readonly what: string; readonly cure: string } {
  return { what: fill(ERRORS[code].what, parameters), cure: fill(ERRORS[code].cure, parameters) };
}

function fill(text: string, parameters: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(parameters[name] ?? whole));
}
