const SUFFIX_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/**
 * Bytes of a size as Kubernetes writes quantities: a whole number, with `k M G T` (powers of 1000) or `Ki Mi Gi Ti`
 * (powers of 1024). `undefined` = it is none.
 *
 * Example: `parseByteSize('64Mi')` → `67_108_864`
 */
export function parseByteSize(text: string): number | undefined {
  const [, digits, suffix] = /^([0-9]{1,15})([kMGT]|[KMGT]i)?$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const bytes = Number(digits) * (SUFFIX_BYTES[suffix ?? ''] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** `67_108_864` → `64Mi`; a number that no power of 1024 divides stays a number. */
export function formatByteSize(bytes: number): string {
  for (const suffix of ['Ti', 'Gi', 'Mi', 'Ki']) {
    const unit = SUFFIX_BYTES[suffix] ?? 1;
    if (bytes >= unit && bytes % unit === 0) return `${bytes / unit}${suffix}`;
  }
  return String(bytes);
}
