import { z } from 'zod';
import { unionRules, withRules } from './cel-rule.ts';
import { count, entryName, hostOrAddress, ipAddress } from './schema-fields.ts';
import type { UnionMembers } from './union.ts';

const MAX_PORT = 65_535;

export const EGRESS_MEMBERS: UnionMembers = {
  Bind: { member: 'bind', example: '{address: …}' },
  HAProxy: { member: 'haproxy', example: '{endpoint: {host: …, port: …}}' },
  SOCKS5: { member: 'socks5', example: '{endpoint: {host: …, port: …}}' },
};

const endpoint = z.strictObject({
  host: hostOrAddress.describe('Name or address of the proxy.'),
  port: count(MAX_PORT).describe('TCP port of the proxy.'),
});

/** The way out. A union on `type`: exactly the member of that name is there (`checkUnion` sees to it). */
export const egressWay = withRules(
  z.strictObject({
    type: z
      .enum(['Direct', 'Bind', 'HAProxy', 'SOCKS5'])
      .describe(
        '`Direct`: the system picks the local address. `Bind`: a local address is bound before connecting. `HAProxy`: through a proxy that is told source and target in a PROXY header. `SOCKS5`: through a SOCKS5 proxy.',
      ),
    bind: z
      .strictObject({
        address: ipAddress
          .exactOptional()
          .describe(
            "Local address to bind, behind 1:1 NAT for example. Absent = the source's own `address`.",
          ),
      })
      .exactOptional()
      .describe('Only with type `Bind`.'),
    haproxy: z
      .strictObject({
        endpoint: endpoint.describe('Where the proxy listens.'),
        protocol: z
          .enum(['V1', 'V2'])
          .default('V2')
          .describe('Version of the PROXY protocol: `V1` is text, `V2` binary.'),
        sourceAddress: ipAddress
          .exactOptional()
          .describe("Address that the proxy connects from. Absent = the source's own `address`."),
      })
      .exactOptional()
      .describe('Only with type `HAProxy`.'),
    socks5: withRules(
      z.strictObject({
        endpoint: endpoint.describe('Where the proxy listens.'),
        dialect: z
          .enum(['Connect', 'BindConnect'])
          .default('BindConnect')
          .describe(
            '`Connect`: the proxy picks the address it connects from (RFC 1928). `BindConnect`: BIND names the address before CONNECT, as egress proxies of mail systems understand it.',
          ),
        sourceAddress: ipAddress
          .exactOptional()
          .describe(
            "Address that the proxy connects from, only with dialect `BindConnect`. Absent = the source's own `address`.",
          ),
        tls: z
          .enum(['Disabled', 'Verify'])
          .default('Disabled')
          .describe(
            'Between pod and proxy. `Verify`: TLS, with a certificate that is valid for `endpoint.host`.',
          ),
        credentialName: entryName
          .exactOptional()
          .describe('User name and password for the proxy, by their name in sluice.yaml.'),
      }),
      {
        rule: "self.dialect == 'BindConnect' || !has(self.sourceAddress)",
        message: 'sourceAddress is only told with dialect BindConnect',
      },
    )
      .exactOptional()
      .describe('Only with type `SOCKS5`.'),
  }),
  ...unionRules(EGRESS_MEMBERS),
);

export type EgressWaySpec = z.output<typeof egressWay>;
