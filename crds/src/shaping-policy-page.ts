import type { ResourcePage } from './resource-page.ts';

/** docs/reference/shapingpolicy.md */
export const SHAPING_POLICY_PAGE: ResourcePage = {
  kind: 'ShapingPolicy',
  intro:
    'How fast, to whom, under which conditions. What limits count, and what Sluice does with mail that waits, is on the page of [shaping](shaping.md). Defaults of `session`, `retry` and `limits` apply where no layer of any policy says anything.',
  same: Object.fromEntries(
    ['session', 'retry', 'limits', 'reactions'].map((part) => [
      `spec.destinations[].${part}`,
      `spec.default.${part}`,
    ]),
  ),
  unsupported: [],
  sections: [
    {
      title: 'Resource',
      intro:
        'Metadata as Kubernetes has them, which pools the policy is for, and which policy refines which: those with targets refine those without, then higher `priority` refines lower, then by name.',
      paths: [''],
      example: `
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata:
  name: transactional
  namespace: mail
  labels: {team: delivery}
  annotations: {example.com/owner: postmaster}
spec:
  priority: 10
  targetRefs:
  - {group: sluice.email, kind: EgressPool, name: transactional}
  default:
    retry: {expireAfter: 12h}
`,
    },
    {
      title: 'Destinations',
      intro:
        'A layer for some destinations refines the one for all: first the Group (`mxSuffixes`), then the longest domain suffix, then the domain. An entry holds what `spec.default` holds.',
      paths: ['spec.destinations'],
      example: `
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: large-receivers}
spec:
  destinations:
  - name: google
    match: {mxSuffixes: [google.com, googlemail.com]}
    limits:
    - {name: per-source, per: [Source, Group], connections: 20}
  - name: universities
    match: {domainSuffixes: [ac.uk]}
    session: {idleTimeout: 5s}
  - name: partner
    match: {domains: [partner.example]}
    session: {tls: {level: Verify}}
    retry: {delays: [1m, 5m]}
`,
    },
    {
      title: 'Session',
      intro: 'How connections are used, how long each phase may take, and whether they are encrypted.',
      paths: ['spec.default.session'],
      example: `
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: sessions}
spec:
  default:
    session:
      messagesPerConnection: 50
      recipientsPerTransaction: 20
      idleTimeout: 10s
      timeouts:
        connect: 30s
        greeting: 2m
        ehlo: 2m
        startTls: 30s
        auth: 30s
        mail: 2m
        rcpt: 2m
        data: 90s
        dataBlock: 2m
        finalDot: 10m
        rset: 10s
        quit: 2s
      tls: {level: Encrypt, mtaSTS: Enabled, dane: Enabled, clientCertificateName: partners}
`,
    },
    {
      title: 'Retry',
      intro: 'When a deferred message is tried again, and when it is given up.',
      paths: ['spec.default.retry'],
      example: `
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: retries}
spec:
  default:
    retry:
      delays: [2m, 10m, 30m, 1h30m]
      expireAfter: 48h
`,
    },
    {
      title: 'Limits',
      intro:
        'A limit is one counter for each set of values of its `per`; all bounds of all limits hold at once. Rates are written `N/s`, `N/min`, `N/h`, `N/d`; `Unlimited` takes back what a wider layer set.',
      paths: ['spec.default.limits'],
      example: `
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: limits}
spec:
  default:
    limits:
    - name: source-site
      state: Enabled
      per: [Source, Site]
      scope: Pod
      connections: 10
      connectionRate: 2/s
      recipientRate: 300/min
      messageRate: 10000/h
      byteRate: 1048576/s
      burst: 20
      overrides:
      - name: good-addresses
        when: {sources: [ip-1], sourceSelector: {matchLabels: {reputation: good}}}
        connections: 40
        connectionRate: 10/s
        recipientRate: 1200/min
        messageRate: 50000/h
        byteRate: 4194304/s
        burst: 100
    - name: campaigns
      per: [Pool, Group, Domain, Tenant, Campaign, Class]
      when:
        pools: [shared]
        groups: [google]
        domains: [gmail.com]
        tenants: [acme]
        tenantSelector: {matchLabels: {plan: free}}
        campaigns: [spring-sale]
        classes: [marketing]
      messageRate: 5000/d
      overrides:
      - name: known-good
        when:
          pools: [shared]
          groups: [google]
          domains: [googlemail.com]
          tenants: [acme]
          tenantSelector: {matchLabels: {plan: free}}
          campaigns: [newsletter]
          classes: [marketing]
        messageRate: Unlimited
    - name: good-addresses-only
      per: [Source]
      when: {sources: [ip-1, ip-2], sourceSelector: {matchLabels: {reputation: good}}}
      recipientRate: 100000/d
`,
    },
    {
      title: 'Reactions',
      intro:
        'Which replies count, how many are needed, and what they change. Every member of `match` that is there must fit.',
      paths: ['spec.default.reactions'],
      example: `
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: reactions}
spec:
  default:
    reactions:
    - name: blocked
      state: Enabled
      match:
        codes: [421, 550]
        enhancedCodes: ["4.7.0", "5.7.1"]
        text: "blocked|denied by (policy|reputation)"
        phases: [Connect, Greeting, Mail, Rcpt]
      trigger: {count: 3, within: 10m, per: [Source, Site]}
      actions:
      - {type: Suspend, suspend: {per: [Source, Site], for: 2h}}
    - name: unknown-user
      match: {enhancedCodes: ["5.1.1"]}
      actions:
      - {type: Bounce}
`,
    },
    {
      title: 'Actions',
      intro:
        'What a reaction does. Each has the member that its `type` names, and no other; `Bounce` has none.',
      paths: ['spec.default.reactions[].actions'],
      example: `
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: actions}
spec:
  default:
    limits:
    - {name: source-site, per: [Source, Site], connections: 10, recipientRate: 300/min}
    reactions:
    - name: too-fast
      match: {codes: [421, 450], text: "rate limit|too many"}
      actions:
      - type: Scale
        scale:
          limitName: source-site
          bound: RecipientRate
          percent: 50
          floor: 10/min
          recoverPercent: 150
          recoverEvery: 30m
      - {type: RetryAfter, retryAfter: {delay: 20m}}
    - name: one-at-a-time
      match: {codes: [421], phases: [Greeting]}
      actions:
      - type: SetLimit
        setLimit:
          limitName: source-site
          connections: 1
          connectionRate: 1/min
          recipientRate: 10/min
          messageRate: 10/min
          byteRate: 65536/s
          burst: 1
          for: 1h
    - name: listed
      match: {text: "listed (at|by|in)"}
      trigger: {count: 5, within: 1h, per: [Source]}
      actions:
      - {type: Suspend, suspend: {per: [Source], for: 12h}}
      - {type: Reroute, reroute: {poolRef: {name: shared}, for: 12h}}
`,
    },
  ],
};
