import { type EgressConfig, selectPool } from '@sluice/crds';
import { domainOf, type Envelope } from '../spool/mod.ts';

/** Answers remembered; beyond it the memory starts anew (a bulk sender has few combinations, an attacker many). */
const MAX_REMEMBERED = 50_000;

export type TenantLabels = (tenant: string) => Readonly<Record<string, string>>;

/** Which pool a message's recipient domain leaves from; remembers answers for one configuration. */
export class PoolChoice {
  readonly #config: EgressConfig;
  readonly #tenantLabels: TenantLabels;
  readonly #remembered = new Map<string, string>();

  constructor(config: EgressConfig, tenantLabels: TenantLabels) {
    this.#config = config;
    this.#tenantLabels = tenantLabels;
  }

  /** Name of the pool, `''` when no pool matches. */
  poolFor(envelope: Pick<Envelope, 'tenant' | 'class' | 'sender'>, recipientDomain: string): string {
    const fromDomain = domainOf(envelope.sender);
    const key = `${envelope.tenant}\n${envelope.class}\n${fromDomain}\n${recipientDomain}`;
    const remembered = this.#remembered.get(key);
    if (remembered !== undefined) return remembered;
    const pool =
      selectPool(this.#config, {
        tenant: envelope.tenant,
        tenantLabels: this.#tenantLabels(envelope.tenant),
        class: envelope.class,
        fromDomain,
        recipientDomain,
      }) ?? '';
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(key, pool);
    return pool;
  }
}
