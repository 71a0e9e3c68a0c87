/** What users get wrong: kind, spec, and what the complaint must name, whoever makes it. */
export interface WrongManifest {
  readonly kind: 'EgressPool' | 'ShapingPolicy';
  readonly spec: unknown;
  readonly names: RegExp;
}

const source = { name: 's', address: '192.0.2.1', ehlo: 'out.example.com' };
const sourceWith = (fields: object, names: RegExp): WrongManifest => ({
  kind: 'EgressPool',
  spec: { sources: [{ ...source, ...fields }] },
  names,
});
const poolWith = (fields: object, names: RegExp): WrongManifest => ({
  kind: 'EgressPool',
  spec: { sources: [source], ...fields },
  names,
});
const limitWith = (fields: object, names: RegExp): WrongManifest => ({
  kind: 'ShapingPolicy',
  spec: { default: { limits: [{ name: 'l', per: ['Tenant'], connections: 1, ...fields }] } },
  names,
});
const defaultWith = (fields: object, names: RegExp): WrongManifest => ({
  kind: 'ShapingPolicy',
  spec: { default: fields },
  names,
});
const reactionWith = (fields: object, names: RegExp): WrongManifest =>
  defaultWith(
    { reactions: [{ name: 'r', match: { codes: [421] }, actions: [{ type: 'Bounce' }], ...fields }] },
    names,
  );
const destinationWith = (fields: object, names: RegExp): WrongManifest => ({
  kind: 'ShapingPolicy',
  spec: { destinations: [{ name: 'd', ...fields }] },
  names,
});
const poolTarget = { group: 'sluice.email', kind: 'EgressPool', name: 'x' };

export const WRONG_MANIFESTS: readonly WrongManifest[] = [
  { kind: 'EgressPool', spec: {}, names: /sources/ },
  { kind: 'EgressPool', spec: { sources: [] }, names: /sources/ },
  { kind: 'EgressPool', spec: { sources: {} }, names: /sources/ },
  { kind: 'EgressPool', spec: { sources: [source, source] }, names: /sources/ },
  sourceWith({ address: undefined }, /address/),
  sourceWith({ address: 'mail.example.com' }, /address/),
  sourceWith({ address: '192.0.2.256' }, /address/),
  sourceWith({ ehlo: undefined }, /ehlo/),
  sourceWith({ ehlo: 'out_1.example.com' }, /ehlo/),
  sourceWith({ weight: 0 }, /weight/),
  sourceWith({ weight: 1001 }, /weight/),
  sourceWith({ weight: '10' }, /weight/),
  sourceWith({ weight: 1.5 }, /weight/),
  sourceWith({ state: 'active' }, /state/),
  sourceWith({ labels: { age: true } }, /labels/),
  sourceWith({ name: 'Upper' }, /name/),
  sourceWith({ egress: { type: 'Bind' } }, /egress/),
  sourceWith({ egress: { type: 'Direct', bind: { address: '10.0.0.1' } } }, /egress/),
  sourceWith({ egress: { type: 'Bind', bind: { address: '2001:db8::1' } } }, /address/),
  sourceWith({ egress: { type: 'SOCKS5' } }, /socks5/),
  sourceWith({ egress: { type: 'Tunnel' } }, /type/),
  sourceWith(
    { warmup: { startDate: '2026-02-30', schedule: { type: 'Custom', custom: { recipientsPerDay: [1] } } } },
    /startDate/,
  ),
  sourceWith({ warmup: { startDate: '2026-02-20', schedule: { type: 'Custom' } } }, /custom|schedule/),
  poolWith({ urgency: 'Urgent' }, /urgency/),
  poolWith({ selection: { strategy: 'Random' } }, /strategy/),
  poolWith({ match: [{ name: 'a' }, { name: 'a' }] }, /match/),
  poolWith({ match: [{ name: 'a', priority: 3_000_000_000 }] }, /priority/),
  poolWith({ match: [{ name: 'a', tenants: [] }] }, /tenants/),
  poolWith({ match: [{ name: 'a', fromDomains: ['*.example.com'] }] }, /fromDomains/),
  poolWith({ fallbackPoolRef: {} }, /name/),
  limitWith({ connections: 0 }, /connections/),
  limitWith({ connections: 'ten' }, /connections/),
  limitWith({ recipientRate: '0/s' }, /recipientRate/),
  limitWith({ recipientRate: '10 per second' }, /recipientRate/),
  limitWith({ recipientRate: '10/week' }, /recipientRate/),
  limitWith({ per: [] }, /per/),
  limitWith({ per: ['Tenant', 'Tenant'] }, /per/),
  limitWith({ per: ['Country'] }, /per/),
  limitWith({ scope: 'Global' }, /scope/),
  limitWith({ when: {} }, /when/),
  limitWith({ when: { campaigns: ['x'] } }, /campaigns|when/),
  limitWith({ overrides: [{ name: 'o', when: { tenants: ['x'] } }] }, /overrides/),
  defaultWith({ session: { messagesPerConnection: 0 } }, /messagesPerConnection/),
  defaultWith({ session: { idleTimeout: 'a minute' } }, /idleTimeout/),
  defaultWith({ session: { idleTimeout: '60' } }, /idleTimeout/),
  defaultWith({ session: { tls: { level: 'Strict' } } }, /level/),
  defaultWith({ retry: { delays: [] } }, /delays/),
  defaultWith({ retry: { delays: ['0s'] } }, /delays/),
  defaultWith({ retry: { expireAfter: 3600 } }, /expireAfter/),
  reactionWith({ match: {} }, /match/),
  reactionWith({ match: { codes: ['421'] } }, /codes/),
  reactionWith({ match: { codes: [250] } }, /codes/),
  reactionWith({ match: { text: '(?=x)' } }, /text/),
  reactionWith({ match: { phases: ['Helo'] } }, /phases/),
  reactionWith({ actions: [] }, /actions/),
  reactionWith({ actions: [{ type: 'Suspend' }] }, /suspend/i),
  reactionWith({ actions: [{ type: 'Bounce', retryAfter: { delay: '1h' } }] }, /actions/),
  reactionWith({ trigger: { count: 0, within: '1h', per: ['Source'] } }, /count/),
  destinationWith({ match: { domains: ['Example .com'] } }, /domains/),
  destinationWith({ match: { mxSuffixes: ['*.google.com'] } }, /mxSuffixes/),
  { kind: 'ShapingPolicy', spec: { targetRefs: [{ ...poolTarget, kind: 'Service' }] }, names: /kind/ },
  { kind: 'ShapingPolicy', spec: { targetRefs: [{ ...poolTarget, group: 'apps' }] }, names: /group/ },
  { kind: 'ShapingPolicy', spec: { priority: 'high' }, names: /priority/ },
];
