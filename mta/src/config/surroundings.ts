import { getServers } from 'node:dns';
import { hostname, totalmem } from 'node:os';
import { type HostPort, parseHostPort } from './host-port.ts';

const DNS_PORT = 53;

/** What the machine says where the file says nothing. */
export interface Surroundings {
  readonly hostname: string;
  readonly memoryBytes: number;
  readonly dnsServers: readonly HostPort[];
}

/** The text of a file, or the error as a value. */
export type ReadText = (file: string) => string | Error;

/** Resolvers, name and memory of this machine; inside a container its memory limit. */
export function thisMachine(): Surroundings {
  return {
    hostname: hostname().toLowerCase(),
    // Without a limit `constrainedMemory` says 0 or more than there is.
    memoryBytes: Math.min(process.constrainedMemory() || totalmem(), totalmem()),
    dnsServers: getServers().map((text) => parseHostPort(text) ?? { host: text, port: DNS_PORT }),
  };
}
