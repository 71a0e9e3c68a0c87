import { formatDuration, formatRate, type Origin } from '@sluice/crds';

/** A value as users write it: texts and numbers, lists and maps of them. */
export type Spelled = string | number | readonly Spelled[] | { readonly [member: string]: Spelled };

/** The name under which users write a field: `session.timeouts.connectMs` → `session.timeouts.connect`. */
export function spelledField(field: string): string {
  return field.replace(/Ms$/, '').replace(/^bounds\./, '');
}

/**
 * A value of the configuration as users write it.
 *
 * Examples: `spelledValue('idleTimeoutMs', 90_000)` → `1m30s`, `spelledValue('recipientRate', { count: 5, periodMs: 1_000 })` → `5/s`
 */
export function spelledValue(field: string, value: unknown): Spelled {
  if (Array.isArray(value)) return value.map((item) => spelledValue(field, item));
  if (typeof value === 'number') return field.endsWith('Ms') ? formatDuration(value) : value;
  if (typeof value !== 'object' || value === null) return String(value);
  if (isRate(value)) return formatRate(value);
  return Object.fromEntries(
    Object.entries(value).map(([member, inner]) => [spelledField(member), spelledValue(member, inner)]),
  );
}

function isRate(value: object): value is Parameters<typeof formatRate>[0] {
  return 'count' in value && 'periodMs' in value;
}

/** On one line: lists with commas, maps in YAML's flow style. */
export function spelledText(value: Spelled): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  if (isList(value)) return value.map(spelledText).join(', ');
  const members = Object.entries(value).map(([member, inner]) => {
    const text = spelledText(inner);
    return `${member}: ${isList(inner) ? `[${text}]` : text}`;
  });
  return `{${members.join(', ')}}`;
}

function isList(value: Spelled): value is readonly Spelled[] {
  return Array.isArray(value);
}

const LAYER_WORDS: Readonly<Record<Origin['layer'], string>> = {
  BuiltIn: 'built in',
  Default: 'default',
  Group: 'Group',
  DomainSuffix: 'domain suffix',
  Domain: 'domain',
};

/** `providers, Group google`; `built in` where no policy says it. */
export function originText({ policy, layer, destination }: Origin): string {
  if (layer === 'BuiltIn') return LAYER_WORDS.BuiltIn;
  return `${policy}, ${LAYER_WORDS[layer]}${destination === '' ? '' : ` ${destination}`}`;
}
