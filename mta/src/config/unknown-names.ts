import { type EgressConfig, errorText, type Layer, type Problem, type When } from '@sluice/crds';

/** Names that a configuration uses, by what they are. */
interface Names {
  readonly tenants?: readonly string[] | undefined;
  readonly classes?: readonly string[] | undefined;
}

/**
 * Tenants, classes and credentials that resources name and sluice.yaml does not have: such a condition never holds and such a
 * source never connects, which is seldom what was meant. A warning, because the same resources may serve MTAs with different settings.
 */
export function unknownNames(
  config: EgressConfig,
  settings: {
    readonly tenants: readonly { readonly name: string }[];
    readonly classes: readonly { readonly name: string }[];
    /** Absent = they are not looked at. */
    readonly credentials?: ReadonlyMap<string, unknown>;
    /** Absent = they are not looked at. */
    readonly certificates?: readonly { readonly name: string }[];
  },
): readonly Problem[] {
  const certificates = new Set(settings.certificates?.map(({ name }) => name));
  const tenants = new Set(settings.tenants.map(({ name }) => name));
  const classes = new Set(settings.classes.map(({ name }) => name));
  const problems = new Map<string, Problem>();
  const check = (resource: string, names: Names): void => {
    for (const [kind, known, used] of [
      ['tenant', tenants, names.tenants],
      ['class', classes, names.classes],
    ] as const) {
      for (const name of used ?? []) {
        if (known.has(name)) continue;
        const problem = unresolvedProblem(resource, kind, name);
        problems.set(problem.what, problem);
      }
    }
  };
  for (const match of config.matches) check(`EgressPool/${match.pool}`, match);
  for (const policy of config.policies) {
    for (const layer of [policy.default, ...policy.destinations]) {
      for (const when of conditionsOf(layer)) check(`ShapingPolicy/${policy.name}`, when);
      const certificate = layer?.session?.tls?.clientCertificateName;
      if (settings.certificates === undefined || certificate === undefined) continue;
      if (certificates.has(certificate)) continue;
      const problem = unresolvedProblem(`ShapingPolicy/${policy.name}`, 'certificate', certificate);
      problems.set(problem.what, problem);
    }
  }
  return [
    ...problems.values(),
    ...(settings.credentials === undefined ? [] : missingCredentials(config, settings.credentials)),
  ];
}

/** Credentials that ways out name and sluice.yaml does not have: their sources cannot connect. */
export function missingCredentials(
  config: EgressConfig,
  credentials: ReadonlyMap<string, unknown>,
): readonly Problem[] {
  const problems = config.pools.flatMap((pool) =>
    credentialsOf(pool)
      .filter((name) => !credentials.has(name))
      .map((name) => unresolvedProblem(`EgressPool/${pool.name}`, 'credential', name)),
  );
  return [...new Map(problems.map((problem) => [problem.what, problem])).values()];
}

function unresolvedProblem(resource: string, kind: string, name: string): Problem {
  const code = 'SLUICE_REFERENCE_UNRESOLVED';
  return {
    code,
    file: '',
    field: '',
    ...errorText(code, { resource, reason: `sluice.yaml has no ${kind} "${name}".` }),
  };
}

/** Names of the credentials that ways out of a pool use. */
function credentialsOf({ sources }: EgressConfig['pools'][number]): readonly string[] {
  return sources.flatMap(({ egress }) =>
    egress.type === 'SOCKS5' && egress.socks5.credentialName !== undefined
      ? [egress.socks5.credentialName]
      : [],
  );
}

function conditionsOf(layer: Layer | undefined): readonly When[] {
  return (layer?.limits ?? []).flatMap(({ when, overrides }) => [
    ...(when === undefined ? [] : [when]),
    ...(overrides ?? []).map((override) => override.when),
  ]);
}
