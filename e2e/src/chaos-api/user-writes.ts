import type { ApiClient } from '@sluice/operator';

export const NAMESPACE = 'mail';
const POOLS = 30;
const POLICIES = 10;
const API = '/apis/sluice.email/v1alpha1/namespaces/mail';

/** Users who create, change, spoil and delete resources. */
export class UserWrites {
  /** Writes that the API server took, or may have taken. */
  written = 0;
  readonly #admin: ApiClient;
  readonly #random: () => number;
  #next = 0;

  constructor(admin: ApiClient, random: () => number) {
    this.#admin = admin;
    this.#random = random;
  }

  /** One write; an API server that is away is no news to a user. */
  async one(): Promise<void> {
    const isPool = this.#random() < 0.8;
    const name = isPool ? `pool-${this.#below(POOLS)}` : `policy-${this.#below(POLICIES)}`;
    const path = `${API}/${isPool ? 'egresspools' : 'shapingpolicies'}/${name}`;
    const request =
      this.#random() < 0.12
        ? ({ method: 'DELETE', path } as const)
        : ({
            method: 'PATCH',
            path,
            query: { fieldManager: 'user', force: 'true' },
            contentType: 'application/apply-patch+yaml',
            body: isPool ? this.#pool(name) : this.#policy(name),
          } as const);
    const result = await this.#admin.json({ ...request, timeoutMs: 8_000 });
    if (result.ok || result.kind === 'Unreachable') this.written++;
    else if (result.kind === 'Invalid') throw new Error(result.message);
  }

  #pool(name: string): unknown {
    const address = `192.0.2.${1 + Number(name.slice(name.indexOf('-') + 1))}`;
    const source = { name: 's', address, ehlo: `n${++this.#next}.example.com` };
    // Admitted, and wrong: no rule of a schema sees both families.
    const isWrong = this.#random() < 0.15;
    const egress = isWrong ? { egress: { type: 'Bind', bind: { address: '2001:db8::1' } } } : {};
    return resource('EgressPool', name, { sources: [source], ...egress });
  }

  #policy(name: string): unknown {
    const messagesPerConnection = 1 + (++this.#next % 500);
    const targetRefs = [{ group: 'sluice.email', kind: 'EgressPool', name: `pool-${this.#below(POOLS)}` }];
    return resource('ShapingPolicy', name, { targetRefs, default: { session: { messagesPerConnection } } });
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }
}

function resource(kind: string, name: string, spec: unknown): unknown {
  return { apiVersion: 'sluice.email/v1alpha1', kind, metadata: { name }, spec };
}
