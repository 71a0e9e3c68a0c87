import { isIPv6 } from 'node:net';
import { addressOctets } from './address-octets.ts';
import type { DialTarget } from './connect.ts';

/** Specification of the PROXY protocol §2.2: what version 2 begins with. */
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Version 2, command PROXY. */
const V2_PROXY = 0x21;
const V2_TCP4 = 0x11;
const V2_TCP6 = 0x21;
/** The proxy chooses the source port: two pods that chose the same one would meet. */
const ANY_PORT = 0;

/**
 * The header of HAProxy's PROXY protocol that tells a proxy which address to connect from and where to. Both addresses are of one family.
 *
 * Example: `proxyHeader('V1', '192.0.2.10', { address: '198.51.100.25', port: 25 })` → `PROXY TCP4 192.0.2.10 198.51.100.25 0 25\r\n`
 */
export function proxyHeader(protocol: 'V1' | 'V2', sourceAddress: string, target: DialTarget): Buffer {
  const isSix = isIPv6(target.address);
  if (isIPv6(sourceAddress) !== isSix)
    throw new TypeError(`${sourceAddress} and ${target.address} are not of one family`);
  if (protocol === 'V1') {
    const words = [isSix ? 'TCP6' : 'TCP4', sourceAddress, target.address, ANY_PORT, target.port];
    return Buffer.from(`PROXY ${words.join(' ')}\r\n`, 'latin1');
  }
  const source = addressOctets(sourceAddress);
  const destination = addressOctets(target.address);
  const header = Buffer.alloc(V2_SIGNATURE.length + 4 + 2 * source.length + 4);
  header.set(V2_SIGNATURE);
  header[12] = V2_PROXY;
  header[13] = isSix ? V2_TCP6 : V2_TCP4;
  header.writeUInt16BE(2 * source.length + 4, 14);
  header.set(source, 16);
  header.set(destination, 16 + source.length);
  header.writeUInt16BE(ANY_PORT, 16 + 2 * source.length);
  header.writeUInt16BE(target.port, 18 + 2 * source.length);
  return header;
}
