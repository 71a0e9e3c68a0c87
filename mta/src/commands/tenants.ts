import type { Settings, TenantSettings } from '../config/mod.ts';
import type { TenantFacts } from '../intake/mod.ts';
import { domainOf } from '../spool/mod.ts';

const NO_LABELS: Readonly<Record<string, string>> = {};

/** Who sends: tenants of sluice.yaml by user, sender domain and name. */
export class Tenants {
  readonly #byName: ReadonlyMap<string, TenantSettings>;
  readonly #byUser: ReadonlyMap<string, string>;
  readonly #bySenderDomain: ReadonlyMap<string, string>;

  constructor(settings: Settings) {
    this.#byName = new Map(settings.tenants.map((tenant) => [tenant.name, tenant]));
    this.#byUser = new Map(
      settings.tenants.flatMap((tenant) => tenant.authUsers.map((user) => [user, tenant.name] as const)),
    );
    this.#bySenderDomain = new Map(
      settings.tenants.flatMap((tenant) =>
        tenant.senderDomains.map((domain) => [domain, tenant.name] as const),
      ),
    );
  }

  labels(tenant: string): Readonly<Record<string, string>> {
    return this.#byName.get(tenant)?.labels ?? NO_LABELS;
  }

  /**
   * The tenant of a message: the authenticated user's, else what a header that the client may set names, else the one that owns
   * the sender's domain. A user's tenant cannot be changed by a header.
   */
  resolve({ username, userTenant, sender, header }: TenantFacts): string {
    if (userTenant !== '') return userTenant;
    return this.#byUser.get(username) ?? (header || this.#bySenderDomain.get(domainOf(sender)) || '');
  }
}
