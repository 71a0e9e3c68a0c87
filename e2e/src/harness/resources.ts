import { resource } from './sluice-process.ts';

/** Sources bound to loopback addresses: what a sink sees as the client's address is the source's. */
export function loopbackSources(addresses: readonly string[]): readonly unknown[] {
  return addresses.map((address, index) => ({
    name: `ip-${index + 1}`,
    address,
    ehlo: `out${index + 1}.esp.example`,
    egress: { type: 'Bind', bind: { address } },
  }));
}

/** A pool for all mail. */
export function onePool(addresses: readonly string[]): readonly unknown[] {
  return [
    resource('EgressPool', 'main', { match: [{ name: 'everything' }], sources: loopbackSources(addresses) }),
  ];
}

/** A policy for every destination. */
export function onePolicy(layer: Readonly<Record<string, unknown>>): readonly unknown[] {
  return [resource('ShapingPolicy', 'default', { default: layer })];
}

/** `routes` of sluice.yaml: domains straight to a sink. */
export function routeTo(domain: string, sink: { readonly address: string; readonly port: number }): unknown {
  return { domain, hosts: [{ host: sink.address, port: sink.port }] };
}
