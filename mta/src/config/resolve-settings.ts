import { resolve } from 'node:path';
import type { Problem } from '@sluice/crds';
import { checkShape } from './check-shape.ts';
import { REPORT_MAILBOX } from './defaults.ts';
import { isOpenRelay } from './network.ts';
import { resolveDkim } from './resolve-dkim.ts';
import { type JetStreamSurroundings, resolveEventStream, resolveJetStream } from './resolve-jetstream.ts';
import type {
  CredentialSettings,
  RouteSettings,
  Settings,
  SmtpListenerSettings,
  SpoolSettings,
  UserSettings,
} from './settings.ts';
import { type SettingsInFile, type UserInFile, usersFileSchema } from './settings-schema.ts';
import type { ReadText, Surroundings } from './surroundings.ts';
import { type FieldPath, parseYamlSource, type YamlSource } from './yaml-source.ts';

export interface ResolveInput {
  readonly file: SettingsInFile;
  readonly source: YamlSource;
  /** Relative paths start here. */
  readonly directory: string;
  readonly surroundings: Surroundings;
  readonly readText: ReadText;
}

type ListenerInFile = SettingsInFile['spec']['listeners']['smtp'][number];
type Passwords = { readonly password?: string; readonly passwordFile?: string };

/** RFC 1929 §2: the lengths of user name and password are one octet each. */
const MAX_CREDENTIAL_BYTES = 255;

/** Turns the file's form into what rooms receive, and checks what no single field can show. */
export function resolveSettings(
  input: ResolveInput,
): { readonly settings: Settings } | { readonly problems: readonly Problem[] } {
  const resolver = new Resolver(input);
  const settings = resolver.settings();
  return resolver.problems.length > 0 ? { problems: resolver.problems } : { settings };
}

class Resolver {
  readonly problems: Problem[] = [];
  readonly #input: ResolveInput;
  readonly #spec: SettingsInFile['spec'];
  /** Tenant of an AUTH user, from `tenants[].authUsers`. */
  readonly #tenantOfUser = new Map<string, string>();
  readonly #users = new Set<string>();

  constructor(input: ResolveInput) {
    this.#input = input;
    this.#spec = input.file.spec;
  }

  settings(): Settings {
    const { surroundings } = this.#input;
    const spec = this.#spec;
    const hostname = spec.hostname ?? surroundings.hostname;
    this.#checkTenants();
    this.#checkUnique(spec.classes, ['spec', 'classes'], 'name');
    this.#checkUnique(spec.certificates, ['spec', 'certificates'], 'name');
    this.#checkUnique(spec.credentials, ['spec', 'credentials'], 'name');
    this.#checkUnique(spec.routes, ['spec', 'routes'], 'domain');
    this.#checkUnique(spec.listeners.smtp, ['spec', 'listeners', 'smtp'], 'name');
    const smtpListeners = spec.listeners.smtp.map((listener, index) =>
      this.#listener(listener, ['spec', 'listeners', 'smtp', index], hostname),
    );
    this.#checkUsersExist();
    const spool = this.#spool(spec.spool);
    return {
      hostname,
      smtpListeners,
      adminAddress: spec.listeners.admin.address,
      ...(spec.listeners.probes && { probesAddress: spec.listeners.probes.address }),
      spool,
      memory: {
        maxBytes: spec.memory.maxBytes ?? surroundings.memoryBytes,
        lowWaterPercent: spec.memory.lowWaterPercent,
      },
      dns: {
        servers: spec.dns.servers.length > 0 ? spec.dns.servers : surroundings.dnsServers,
        timeoutMs: spec.dns.timeout,
        attempts: spec.dns.attempts,
      },
      allowedTargets: spec.targets.allow,
      smtpPort: spec.smtpPort,
      routes: spec.routes.map((route, index) => this.#route(route, ['spec', 'routes', index])),
      tenants: spec.tenants,
      classes: spec.classes,
      dkim: resolveDkim(spec.dkim, {
        tenants: new Set(spec.tenants.map((tenant) => tenant.name)),
        absolute: (file) => this.#path(file),
        problem: (path, what, cure) => this.#problem(['spec', 'dkim', ...path], what, cure),
      }),
      certificates: spec.certificates.map(({ name, certificateFile, keyFile }, index) => ({
        name,
        certificateFile: this.#readable(certificateFile, ['spec', 'certificates', index, 'certificateFile']),
        keyFile: this.#readable(keyFile, ['spec', 'certificates', index, 'keyFile']),
      })),
      credentials: new Map(spec.credentials.map((credential, index) => this.#credential(credential, index))),
      ...(spec.egress.proxyCaFile !== undefined && { proxyCa: this.#proxyCa(spec.egress.proxyCaFile) }),
      ...this.#resources(spec.resources),
      dsn: {
        reports: spec.dsn.reports,
        from: spec.dsn.from ?? `${REPORT_MAILBOX}@${hostname}`,
        delayed: spec.dsn.delayed,
        delayedAfterMs: spec.dsn.delayedAfter,
        maxReturnedBytes: spec.dsn.maxReturnedBytes,
      },
      providers: spec.resources.providers,
      drainTimeoutMs: spec.drainTimeout,
      log: spec.log,
      events: {
        stdout: spec.events.stdout,
        ...(spec.events.file !== undefined && { file: this.#path(spec.events.file) }),
        ...(spec.events.jetstream !== undefined && {
          jetstream: resolveEventStream(
            spec.events.jetstream,
            spool.type === 'JetStream' ? spool : undefined,
            this.#natsSurroundings(['spec', 'events', 'jetstream']),
          ),
        }),
      },
    };
  }

  #spool(spool: SettingsInFile['spec']['spool']): SpoolSettings {
    if (spool.type === 'SQLite') {
      const { path, minFreeBytes } = spool.sqlite;
      return { type: 'SQLite', path: this.#path(path), minFreeBytes };
    }
    const surroundings = this.#natsSurroundings(['spec', 'spool', 'jetstream']);
    return { type: 'JetStream', ...resolveJetStream(spool.jetstream, surroundings) };
  }

  #natsSurroundings(at: FieldPath): JetStreamSurroundings {
    const { source } = this.#input;
    return {
      absolute: (file) => this.#path(file),
      secret: (file, path) => this.#password({ passwordFile: file }, [...at, ...path], source) ?? '',
      password: (fields, path) => this.#password(fields, [...at, ...path], source),
      problem: (path, what, cure) => this.#problem([...at, ...path], what, cure),
    };
  }

  #listener(listener: ListenerInFile, path: FieldPath, hostname: string): SmtpListenerSettings {
    const { tls, auth, limits } = listener;
    if (auth === undefined && listener.relayNetworks.length === 0) {
      this.#problem(path, 'Nobody may hand in mail here.', 'Add auth with users, or relayNetworks.');
    }
    if (auth !== undefined && tls === undefined && auth.requireTls === 'Enabled') {
      const cure = 'Add tls to the listener, or set requireTls: Disabled where the network itself is safe.';
      this.#problem([...path, 'auth'], 'AUTH needs TLS, but this listener has none.', cure);
    }
    for (const [index, network] of listener.relayNetworks.entries()) {
      if (!isOpenRelay(network)) continue;
      const cure = 'List the networks of your own applications only, or use auth.';
      this.#problem([...path, 'relayNetworks', index], `${network.text} would make an open relay.`, cure);
    }
    return {
      name: listener.name,
      address: listener.address,
      hostname: listener.hostname ?? hostname,
      ...(tls !== undefined && {
        tls: {
          mode: tls.mode,
          certificateFile: this.#readable(tls.certificateFile, [...path, 'tls', 'certificateFile']),
          keyFile: this.#readable(tls.keyFile, [...path, 'tls', 'keyFile']),
        },
      }),
      ...(auth !== undefined && {
        auth: { requireTls: auth.requireTls, users: this.#listenerUsers(auth, [...path, 'auth']) },
      }),
      relayNetworks: listener.relayNetworks,
      proxyTrustedNetworks: listener.proxyProtocol?.trustedNetworks ?? [],
      limits: {
        maxMessageBytes: limits.maxMessageBytes,
        maxRecipients: limits.maxRecipients,
        maxConnections: limits.maxConnections,
        maxConnectionsPerClient: limits.maxConnectionsPerClient,
        maxMessagesPerConnection: limits.maxMessagesPerConnection,
        idleTimeoutMs: limits.idleTimeout,
        commandTimeoutMs: limits.commandTimeout,
      },
      bareLineEnding: listener.bareLineEnding,
      dsn: listener.dsn,
      headers: listener.headers,
    };
  }

  #listenerUsers(auth: NonNullable<ListenerInFile['auth']>, path: FieldPath): readonly UserSettings[] {
    const { source, directory } = this.#input;
    const users = this.#usersOf(auth.users, [...path, 'users'], source);
    if (auth.usersFile === undefined) {
      if (users.length === 0) this.#problem(path, 'auth has no users.', 'Add users, or name a usersFile.');
      return users;
    }
    const file = resolve(directory, auth.usersFile);
    const text = this.#input.readText(file);
    if (typeof text !== 'string') {
      this.#unreadable([...path, 'usersFile'], file, text);
      return users;
    }
    const parsed = parseYamlSource(text, file);
    const checked = 'problems' in parsed ? parsed : checkShape(parsed.source, usersFileSchema);
    if ('problems' in parsed || 'problems' in checked) {
      this.problems.push(...('problems' in checked ? checked.problems : []));
      return users;
    }
    return [...users, ...this.#usersOf(checked.value, [], parsed.source)];
  }

  #usersOf(users: readonly UserInFile[], path: FieldPath, source: YamlSource): readonly UserSettings[] {
    const seen = new Set<string>();
    return users.map((user, index) => {
      const at = [...path, index];
      const tell = (what: string, cure: string) =>
        this.problems.push(source.problem('SLUICE_FIELD_CONTRADICTION', at, what, cure));
      if (seen.has(user.username)) tell(`User "${user.username}" is listed twice.`, 'Remove one of the two.');
      seen.add(user.username);
      this.#users.add(user.username);
      const listed = this.#tenantOfUser.get(user.username);
      if (user.tenant !== undefined && !this.#spec.tenants.some((tenant) => tenant.name === user.tenant)) {
        tell(`There is no tenant "${user.tenant}".`, 'Add it to spec.tenants, or correct the name.');
      }
      if (user.tenant !== undefined && listed !== undefined && listed !== user.tenant) {
        tell(`Tenant "${listed}" claims this user too.`, 'Say it in one place only.');
      }
      const password = this.#password(user, at, source);
      if (password === undefined)
        tell(`User "${user.username}" has no password.`, 'Add passwordFile or password.');
      return { username: user.username, password: password ?? '', tenant: user.tenant ?? listed ?? '' };
    });
  }

  #route(route: SettingsInFile['spec']['routes'][number], path: FieldPath): RouteSettings {
    const domain = route.domain.toLowerCase();
    if (!/^(\*|(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?)$/.test(domain)) {
      const cure = 'Write example.com, *.example.com or *.';
      this.#problem([...path, 'domain'], `"${route.domain}" is not a domain pattern.`, cure);
    }
    return {
      domain,
      hosts: route.hosts.map((host, index) => {
        const at = [...path, 'hosts', index];
        const password = this.#password(host, at, this.#input.source);
        if ((host.username === undefined) !== (password === undefined)) {
          this.#problem(at, 'AUTH needs a user name and a password.', 'Give both, or neither.');
        }
        return {
          host: host.host.toLowerCase(),
          port: host.port ?? this.#spec.smtpPort,
          preference: host.preference,
          ...(host.username !== undefined &&
            password !== undefined && { auth: { username: host.username, password } }),
        };
      }),
      ...(route.tls !== undefined && { tlsLevel: route.tls.level }),
    };
  }

  #credential(
    credential: SettingsInFile['spec']['credentials'][number],
    index: number,
  ): readonly [string, CredentialSettings] {
    const { name, username } = credential;
    const at = ['spec', 'credentials', index];
    const password = this.#password(credential, at, this.#input.source);
    if (password === undefined)
      this.#problem(at, `Credential "${name}" has no password.`, 'Add passwordFile or password.');
    // RFC 1929: one octet tells the length, and 0 is none.
    const longest = Math.max(Buffer.byteLength(username), Buffer.byteLength(password ?? ''));
    if (longest > MAX_CREDENTIAL_BYTES || password === '') {
      const cure = 'Use one of 1 to 255 octets.';
      this.#problem(at, `SOCKS5 cannot carry the user name or the password of "${name}".`, cure);
    }
    return [name, { username, password: password ?? '' }];
  }

  #proxyCa(file: string): string {
    const path = ['spec', 'egress', 'proxyCaFile'];
    const absolute = this.#path(file);
    const text = this.#input.readText(absolute);
    if (typeof text !== 'string') {
      this.#unreadable(path, absolute, text);
      return '';
    }
    if (!text.includes('-----BEGIN CERTIFICATE-----')) {
      this.#problem(path, `${absolute} holds no certificate.`, 'Give certificates in PEM form.');
    }
    return text;
  }

  #password(fields: Passwords, path: FieldPath, source: YamlSource): string | undefined {
    if (fields.passwordFile === undefined) return fields.password;
    if (fields.password !== undefined) {
      const what = 'password and passwordFile exclude each other.';
      this.problems.push(source.problem('SLUICE_FIELD_CONTRADICTION', path, what, 'Remove one of the two.'));
    }
    const file = this.#path(fields.passwordFile);
    const text = this.#input.readText(file);
    if (typeof text === 'string') return text.replace(/\r?\n$/, '');
    const what = `Cannot read ${file}: ${text.message}.`;
    this.problems.push(
      source.problem(
        'SLUICE_CONFIG_UNREADABLE',
        [...path, 'passwordFile'],
        what,
        'Check the path and the permissions.',
      ),
    );
    return '';
  }

  #checkTenants(): void {
    const path = ['spec', 'tenants'];
    this.#checkUnique(this.#spec.tenants, path, 'name');
    const ofDomain = new Map<string, string>();
    for (const [index, tenant] of this.#spec.tenants.entries()) {
      for (const [members, owners, field] of [
        [tenant.authUsers, this.#tenantOfUser, 'authUsers'],
        [tenant.senderDomains, ofDomain, 'senderDomains'],
      ] as const) {
        for (const [position, member] of members.entries()) {
          const owner = owners.get(member);
          if (owner !== undefined && owner !== tenant.name) {
            const what = `"${member}" belongs to tenant "${owner}" already.`;
            this.#problem([...path, index, field, position], what, 'List it under one tenant only.');
          }
          owners.set(member, tenant.name);
        }
      }
    }
  }

  /** A directory or ConfigMaps, one of the two. */
  #resources({
    directory,
    configMaps,
  }: SettingsInFile['spec']['resources']): Pick<Settings, 'resourcesDirectory' | 'configMaps'> {
    const path = ['spec', 'resources', 'directory'];
    if (configMaps === undefined) {
      if (directory === undefined)
        this.#problem(
          path,
          'spec.resources.directory is missing.',
          'Add "directory", a text; in Kubernetes, configMaps.',
        );
      return { resourcesDirectory: this.#path(directory ?? '') };
    }
    if (directory !== undefined)
      this.#problem(
        path,
        'Resources come from a directory or from ConfigMaps.',
        'Remove directory or configMaps.',
      );
    const { release, namespace, mountDirectory, serviceAccountDirectory } = configMaps;
    return {
      resourcesDirectory: '',
      configMaps: {
        release,
        ...(namespace !== undefined && { namespace }),
        ...(mountDirectory !== undefined && { mountDirectory: this.#path(mountDirectory) }),
        serviceAccountDirectory: this.#path(serviceAccountDirectory),
      },
    };
  }

  #checkUsersExist(): void {
    for (const [index, tenant] of this.#spec.tenants.entries()) {
      for (const [position, user] of tenant.authUsers.entries()) {
        if (this.#users.has(user)) continue;
        const cure = 'Add the user to a listener, or correct the name.';
        this.#problem(
          ['spec', 'tenants', index, 'authUsers', position],
          `No listener has a user "${user}".`,
          cure,
        );
      }
    }
  }

  #checkUnique<K extends string>(
    entries: readonly { readonly [F in K]: string }[],
    path: FieldPath,
    field: K,
  ): void {
    const seen = new Set<string>();
    for (const [index, entry] of entries.entries()) {
      if (seen.has(entry[field])) {
        this.#problem(
          [...path, index, field],
          `"${entry[field]}" is listed twice.`,
          'Rename or remove one of the two.',
        );
      }
      seen.add(entry[field]);
    }
  }

  #readable(file: string, path: FieldPath): string {
    const absolute = this.#path(file);
    const text = this.#input.readText(absolute);
    if (typeof text !== 'string') this.#unreadable(path, absolute, text);
    return absolute;
  }

  #unreadable(path: FieldPath, file: string, error: Error): void {
    const what = `Cannot read ${file}: ${error.message}.`;
    const cure = 'Check the path and the permissions.';
    this.problems.push(this.#input.source.problem('SLUICE_CONFIG_UNREADABLE', path, what, cure));
  }

  #path(file: string): string {
    return resolve(this.#input.directory, file);
  }

  #problem(path: FieldPath, what: string, cure: string): void {
    this.problems.push(this.#input.source.problem('SLUICE_FIELD_CONTRADICTION', path, what, cure));
  }
}
