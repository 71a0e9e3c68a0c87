import { isUsable } from './partial-support.ts';
import type { ResourcePage } from './resource-page.ts';

/** docs/reference/egresspool.md */
export const EGRESS_POOL_PAGE: ResourcePage = {
  kind: 'EgressPool',
  intro:
    'Which addresses mail leaves from: which mail the pool takes, its sources, and the way out of each. Short name `epool`.',
  same: { 'spec.egress': 'spec.sources[].egress' },
  unsupported: [...(isUsable({ warmup: {} }) ? [] : ['a source with `warmup`; it is not used'])],
  sections: [
    {
      title: 'Resource',
      intro: 'Metadata as Kubernetes has them, and what concerns the pool as a whole.',
      paths: [''],
      example: `
apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata:
  name: transactional
  namespace: mail
  labels: {team: delivery}
  annotations: {example.com/owner: postmaster}
spec:
  urgency: High
  selection: {strategy: Sticky, onRetry: AnySource}
  sources:
  - {name: ip-1, address: 192.0.2.10, ehlo: out-1.example.com}
  fallbackPoolRef: {name: shared}
`,
    },
    {
      title: 'Which mail',
      intro:
        'Among the entries of all pools that fit, the highest `priority` wins, then the name of the pool. Mail that no entry takes is put off with `451 4.3.5`.',
      paths: ['spec.match'],
      example: `
apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata: {name: marketing}
spec:
  match:
  - name: free-plans
    priority: 100
    tenantSelector: {matchLabels: {plan: free}}
    classes: [marketing, digest]
  - name: one-sender
    tenants: [acme]
    fromDomains: [news.acme.example]
    recipientDomains: [gmail.com, googlemail.com]
  sources:
  - {name: ip-1, address: 192.0.2.20, ehlo: out-20.example.com}
`,
    },
    {
      title: 'Sources',
      intro:
        'Counters are kept by `address`: two pools that list one address share them. The `address` of a source cannot be changed through the API server: add a source with another name instead.',
      paths: ['spec.sources'],
      example: `
apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata: {name: shared}
spec:
  sources:
  - {name: ip-1, address: 192.0.2.30, ehlo: out-30.example.com, weight: 3, labels: {reputation: good}}
  - {name: ip-2, address: 192.0.2.31, ehlo: out-31.example.com, state: Draining}
  - {name: ip-3, address: "2001:db8::32", ehlo: out-32.example.com}
`,
    },
    {
      title: 'Ways out',
      intro: '`spec.egress` is for all sources of the pool; `egress` of a source replaces it whole.',
      paths: ['spec.egress', 'spec.sources[].egress'],
      example: `
apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata: {name: many-ways}
spec:
  egress: {type: Bind, bind: {}}
  sources:
  - name: bound
    address: 192.0.2.40
    ehlo: out-40.example.com
  - name: behind-nat
    address: 192.0.2.41
    ehlo: out-41.example.com
    egress:
      type: Bind
      bind: {address: 10.0.0.41}
  - name: over-haproxy
    address: 192.0.2.42
    ehlo: out-42.example.com
    egress:
      type: HAProxy
      haproxy:
        endpoint: {host: egress-a.mail.svc, port: 2525}
        protocol: V1
        sourceAddress: 10.0.0.42
  - name: over-socks5
    address: 192.0.2.43
    ehlo: out-43.example.com
    egress:
      type: SOCKS5
      socks5:
        endpoint: {host: egress-b.mail.svc, port: 1080}
        dialect: BindConnect
        sourceAddress: 10.0.0.43
        tls: Verify
        credentialName: egress-b
`,
    },
    {
      title: 'Warm-up',
      intro:
        "For an address that receivers do not know yet. It takes its share of the mail up to the day's number.",
      paths: ['spec.sources[].warmup'],
      example: `
apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata: {name: cold}
spec:
  sources:
  - name: ip-1
    address: 192.0.2.50
    ehlo: out-50.example.com
    warmup:
      startDate: "2026-12-01"
      schedule: {type: Careful}
  - name: ip-2
    address: 192.0.2.51
    ehlo: out-51.example.com
    warmup:
      startDate: "2026-12-01"
      schedule:
        type: Custom
        custom: {recipientsPerDay: [200, 500, 1000, 2000]}
      advanceAtDeliveredPercent: 95
      onExhausted: Wait
`,
    },
  ],
};
