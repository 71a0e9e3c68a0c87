/** Which source a connection leaves from, and how it leaves. */
export { connectTo, type DialTarget } from './connect.ts';
export { createDial, type Dial } from './dial.ts';
export { TargetFailure } from './hop-failure.ts';
export { OctetReader, PeerClosed } from './octet-reader.ts';
export { proxyAddresses } from './proxy-addresses.ts';
export type { ProxyDialOptions } from './proxy-dial.ts';
export { proxyDoubt } from './proxy-doubt.ts';
export type { FoundAddresses } from './proxy-endpoints.ts';
export type { SocksCredential } from './socks5-client.ts';
export * from './socks5-message.ts';
export { createSourceChoice, LEAD_QUANTUM_MESSAGES, type SourceChoice } from './source-choice.ts';
export { sourceFamily } from './source-family.ts';
export { type BrokenWay, WayHealth, watchedDial } from './way-health.ts';
