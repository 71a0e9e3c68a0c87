import { addressOctets, addressOfOctets } from './address-octets.ts';

/** Octets of SOCKS5 (RFC 1928) and of its user name and password (RFC 1929), both directions: our client and `sluice proxy` share them. */
export const SOCKS_VERSION = 5;
/** RFC 1929 §2: the version of the negotiation, not of SOCKS. */
export const AUTH_VERSION = 1;

export const METHOD = { none: 0x00, password: 0x02, refused: 0xff } as const;
export const COMMAND = { connect: 1, bind: 2 } as const;
export const ADDRESS_TYPE = { ipv4: 1, name: 3, ipv6: 4 } as const;

/** RFC 1928 §6: what a reply says. */
export const REPLY = {
  ok: 0,
  generalFailure: 1,
  notAllowed: 2,
  networkUnreachable: 3,
  hostUnreachable: 4,
  connectionRefused: 5,
  ttlExpired: 6,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const;
export type SocksReply = (typeof REPLY)[keyof typeof REPLY];

/** Octets before the address of a request or reply: version, command or reply, reserved, address type. */
export const MESSAGE_HEAD_BYTES = 4;
const PORT_BYTES = 2;

/** An address and a port on the wire. */
export interface SocksAddress {
  readonly address: string;
  readonly port: number;
}

/** The first message of a client: the ways of authentication that it knows. */
export function methodsMessage(methods: readonly number[]): Buffer {
  return Buffer.from([SOCKS_VERSION, methods.length, ...methods]);
}

/** RFC 1929 §2; 1 to 255 octets each. */
export function passwordMessage(username: string, password: string): Buffer {
  const parts = [username, password].map((text) => Buffer.from(text, 'utf8'));
  if (parts.some(({ length }) => length === 0 || length > 255))
    throw new RangeError('user name and password have 1 to 255 octets');
  return Buffer.concat([
    Buffer.from([AUTH_VERSION]),
    ...parts.flatMap((part) => [Buffer.from([part.length]), part]),
  ]);
}

/**
 * A request (`code` = command) or a reply (`code` = reply): both have one form (RFC 1928 §4, §6).
 *
 * Example: `addressMessage(COMMAND.connect, { address: '192.0.2.25', port: 25 })` → 05 01 00 01 c0 00 02 19 00 19
 */
export function addressMessage(code: number, { address, port }: SocksAddress): Buffer {
  const octets = addressOctets(address);
  const type = octets.length === 4 ? ADDRESS_TYPE.ipv4 : ADDRESS_TYPE.ipv6;
  const message = Buffer.alloc(MESSAGE_HEAD_BYTES + octets.length + PORT_BYTES);
  message.set([SOCKS_VERSION, code, 0, type]);
  message.set(octets, MESSAGE_HEAD_BYTES);
  message.writeUInt16BE(port, MESSAGE_HEAD_BYTES + octets.length);
  return message;
}

/**
 * How many octets follow the head, port included. A name tells its own length in one more octet, so for it this is what follows that octet;
 * `undefined` = no such type.
 */
export function addressBytes(type: number, nameLength = 0): number | undefined {
  switch (type) {
    case ADDRESS_TYPE.ipv4:
      return 4 + PORT_BYTES;
    case ADDRESS_TYPE.ipv6:
      return 16 + PORT_BYTES;
    case ADDRESS_TYPE.name:
      return nameLength + PORT_BYTES;
    default:
      return undefined;
  }
}

/** Reads the address and port behind a head; not for names. */
export function readAddress(octets: Buffer): SocksAddress {
  const length = octets.length - PORT_BYTES;
  return { address: addressOfOctets(octets.subarray(0, length)), port: octets.readUInt16BE(length) };
}
