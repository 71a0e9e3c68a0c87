import ipaddr from 'ipaddr.js';

/** An address to listen on or to ask. `host` is without brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `host:port`; IPv6 in brackets. Port 0 is allowed (the system chooses).
 *
 * Example: `parseHostPort('[::1]:25')` → `{ host: '::1', port: 25 }`
 */
export function parseHostPort(text: string): HostPort | undefined {
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) return undefined;
  if (bracketed !== undefined) return ipaddr.IPv6.isValid(bracketed) ? { host: bracketed, port } : undefined;
  return plain === undefined ? undefined : { host: plain, port };
}

/** `{ host: '::1', port: 25 }` → `[::1]:25`. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
