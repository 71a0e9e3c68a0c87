import { isIP } from 'node:net';

/** A PROXY header takes at most 107 octets in version 1 (specification §2.1); version 2 tells its length. */
const MAX_V1_OCTETS = 107;
/** Octets of a version 2 header behind the first 16 that we read: addresses of Unix sockets and many TLVs. */
const MAX_V2_BODY = 4096;
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1');

/** `more` = not all there yet. `client` undefined = the proxy speaks for itself (UNKNOWN, LOCAL): keep the socket's address. */
export type ProxyHeader =
  | { readonly kind: 'more' }
  | { readonly kind: 'invalid' }
  | {
      readonly kind: 'header';
      readonly client: { readonly address: string; readonly port: number } | undefined;
      /** Octets that the header took. */
      readonly length: number;
    };

const MORE: ProxyHeader = { kind: 'more' };
const INVALID: ProxyHeader = { kind: 'invalid' };

/**
 * Reads the header of HAProxy's PROXY protocol, version 1 (text) or 2 (binary), from the first octets of a connection.
 *
 * Example: `PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\n` → client 192.0.2.1, port 4711
 */
export function parseProxyHeader(octets: Buffer): ProxyHeader {
  if (startsLike(octets, V2_SIGNATURE)) return octets.length < 16 ? MORE : parseVersion2(octets);
  if (startsLike(octets, V1_SIGNATURE))
    return octets.length < V1_SIGNATURE.length ? MORE : parseVersion1(octets);
  return INVALID;
}

function startsLike(octets: Buffer, signature: Buffer): boolean {
  const length = Math.min(octets.length, signature.length);
  return octets.subarray(0, length).equals(signature.subarray(0, length));
}

function parseVersion1(octets: Buffer): ProxyHeader {
  const end = octets.subarray(0, MAX_V1_OCTETS).indexOf('\r\n');
  if (end === -1) return octets.length >= MAX_V1_OCTETS ? INVALID : MORE;
  const words = octets.toString('latin1', 6, end).split(' ');
  const length = end + 2;
  if (words[0] === 'UNKNOWN') return { kind: 'header', client: undefined, length };
  const [family, source = '', destination = '', sourcePort = '', destinationPort = ''] = words;
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : 0;
  if (version === 0 || words.length !== 5) return INVALID;
  if (isIP(source) !== version || isIP(destination) !== version) return INVALID;
  if (!isPort(sourcePort) || !isPort(destinationPort)) return INVALID;
  return { kind: 'header', client: { address: source, port: Number(sourcePort) }, length };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9][0-9]{0,4})$/.test(text) && Number(text) <= 65_535;
}

function parseVersion2(octets: Buffer): ProxyHeader {
  const command = octets[12]!;
  const family = octets[13]!;
  const bodyLength = octets.readUInt16BE(14);
  if (command >> 4 !== 2 || (command & 15) > 1 || bodyLength > MAX_V2_BODY) return INVALID;
  const length = 16 + bodyLength;
  if (octets.length < length) return MORE;
  if ((command & 15) === 0) return { kind: 'header', client: undefined, length };
  if (family === 0x11 && bodyLength >= 12) {
    const address = octets.subarray(16, 20).join('.');
    return { kind: 'header', client: { address, port: octets.readUInt16BE(24) }, length };
  }
  if (family === 0x21 && bodyLength >= 36) {
    const groups = Array.from({ length: 8 }, (_, index) => octets.readUInt16BE(16 + 2 * index).toString(16));
    return { kind: 'header', client: { address: groups.join(':'), port: octets.readUInt16BE(48) }, length };
  }
  return family === 0 ? { kind: 'header', client: undefined, length } : INVALID;
}
